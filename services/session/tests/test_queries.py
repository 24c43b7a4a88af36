"""The answers to queries: visibility, filters, pages and truncation."""

from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import APPROVAL, SESSION
from contracts.session.approval import GetApproval, ListApprovals, RequestApproval
from contracts.session.archive import ArchiveSession, GetArchive, ReadArchive
from contracts.session.conversation import GetMessage, GetToolCall, ListMessages, ListToolCalls
from contracts.session.fork import ForkSession
from contracts.session.mcp import RecordMcpServers
from contracts.session.run import GetRun, GetRunSummary, ListRuns, StartRun, SubmitQuery
from contracts.session.run_view import RunSummary
from contracts.session.session import CountSessions, CreateSession, GetSession, ListSessions, PauseSession
from contracts.session.workspace import ListFiles, ReadFile
from onebox.testing.cases import every_case
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from services.session.tests.desk import ADMIN, OWNER, STRANGER, Desk


async def test_sessions_are_listed_newest_first(desk: Desk) -> None:
    for name in ("one", "two", "three"):
        await desk.create(name)
    assert await desk.names(ListSessions()) == ["three", "two", "one"]


async def test_a_list_continues_after_a_cursor(desk: Desk) -> None:
    ids = [await desk.create(name) for name in ("one", "two", "three")]
    assert await desk.names(ListSessions(after=ids[1])) == ["one"]


async def test_a_filtered_list_counts_matching_items_only(desk: Desk) -> None:
    busy = await desk.create("busy")
    await desk.create("idle")
    await desk.send(SubmitQuery(session_id=busy, run_id=new_id(), message_id=new_id(), message="?"))
    page = await desk.ask(ListSessions(status="processing"))
    assert ([s.name for s in page.items], page.total) == (["busy"], 1)


async def test_sessions_are_found_by_a_part_of_their_name(desk: Desk) -> None:
    for name in ("Fix the build", "100% done", "Review"):
        await desk.create(name)
    page = await desk.ask(ListSessions(q="BUILD"))
    assert ([s.name for s in page.items], page.total) == (["Fix the build"], 1)
    assert await desk.names(ListSessions(q="%")) == ["100% done"]


@pytest.mark.parametrize("wanted", [{"ticket": "42"}, {"urgent": "true"}, {"ticket": "42", "a'b": "c"}])
async def test_sessions_are_found_by_their_metadata(desk: Desk, wanted: dict[str, str]) -> None:
    command = CreateSession.example().model_copy(update={"metadata": {"ticket": 42, "urgent": True, "a'b": "c"}})
    await desk.send(command)
    await desk.create("other")
    page = await desk.ask(ListSessions(metadata=wanted))
    assert ([s.id for s in page.items], page.total) == ([command.session_id], 1)


async def test_all_of_the_wanted_metadata_has_to_match(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    assert await desk.names(ListSessions(metadata={"ticket": "OPS-42", "team": "web"})) == []


async def test_metadata_of_other_users_is_not_found(desk: Desk) -> None:
    await desk.send(CreateSession.example(), STRANGER)
    wanted = ListSessions(metadata={"ticket": "OPS-42"})
    assert await desk.names(wanted) == []
    assert (await desk.ask(wanted, ADMIN)).total == 1


async def test_a_new_session_has_the_metadata_of_its_command(desk: Desk) -> None:
    assert (await desk.send(CreateSession.example())).metadata == {"ticket": "OPS-42"}


async def test_users_list_their_own_sessions_and_admins_all(desk: Desk) -> None:
    await desk.create("mine")
    await desk.create("theirs", STRANGER)
    assert await desk.names(ListSessions()) == ["mine"]
    assert (await desk.ask(ListSessions(), ADMIN)).total == 2


@every_case(
    "query",
    [
        GetSession,
        GetRun,
        GetRunSummary,
        GetMessage,
        GetToolCall,
        ListMessages,
        ListRuns,
        ListToolCalls,
        ListFiles,
        ReadFile,
        GetArchive,
        ReadArchive,
    ],
)
async def test_another_users_session_is_not_found(desk_after_run: Desk, query: Any) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk_after_run.ask(query.example(), STRANGER)


@every_case("query", [GetRun, GetRunSummary])
async def test_an_unknown_run_is_not_found(desk_after_run: Desk, query: Any) -> None:
    with pytest.raises(Refusal, match=Code.RUN_NOT_FOUND):
        await desk_after_run.ask(query(session_id=UUID(SESSION), run_id=new_id()))


async def test_a_run_summary_is_the_run_without_its_results(desk_after_run: Desk) -> None:
    whole, summary = await desk_after_run.ask(GetRun.example()), await desk_after_run.ask(GetRunSummary.example())
    assert summary == RunSummary.model_validate(whole.model_dump(include=set(RunSummary.model_fields)))


async def test_runs_are_listed_newest_first_in_pages(desk: Desk) -> None:
    session_id = await desk.create()
    runs = [await desk.submit(session_id, "enqueue") for _ in range(3)]
    page = await desk.ask(ListRuns(session_id=session_id, skip=1, limit=1))
    assert ([run.id for run in page.items], page.total) == ([runs[1].id], 3)


async def test_runs_are_filtered_and_counted_by_status(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.send(PauseSession(session_id=session_id))
    run = await desk.submit(session_id, "enqueue")
    queued = await desk.ask(ListRuns(session_id=session_id, status="queued"))
    assert ([run.id for run in queued.items], queued.total) == ([run.id], 1)
    assert (await desk.ask(ListRuns(session_id=session_id, status="running"))).total == 0


async def test_runs_continue_after_a_cursor(desk: Desk) -> None:
    session_id = await desk.create()
    runs = [await desk.submit(session_id, "enqueue") for _ in range(3)]
    page = await desk.ask(ListRuns(session_id=session_id, after=runs[1].id))
    assert ([run.id for run in page.items], page.total) == ([runs[0].id], 3)


async def test_the_message_of_a_run_is_truncated_in_lists_only(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.send(PauseSession(session_id=session_id))
    query = SubmitQuery.example().model_copy(update={"session_id": session_id, "message": "x" * 2000})
    assert (await desk.send(query.model_copy(update={"on_busy": "enqueue"}))).message == "x" * 2000
    assert [run.message for run in (await desk.ask(ListRuns(session_id=session_id))).items] == ["x" * 1000]


async def test_a_listed_run_shows_its_usage(desk_after_run: Desk) -> None:
    [run] = (await desk_after_run.ask(ListRuns(session_id=UUID(SESSION)))).items
    assert (run.status, run.attempt, run.usage.output_tokens, str(run.usage.cost_usd)) == (
        "completed",
        1,
        420,
        "0.0012",
    )


async def test_sessions_are_counted_by_status(desk_after_run: Desk) -> None:
    await desk_after_run.create()
    assert {s: n for s, n in (await desk_after_run.ask(CountSessions())).items() if n} == {"active": 1, "created": 1}


async def test_a_command_delivered_twice_is_carried_out_once(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    envelope = Envelope.begin(actor=OWNER)
    first = await desk.dispatcher.send(SubmitQuery.example(), envelope)
    assert await desk.dispatcher.send(SubmitQuery.example(), envelope) == first
    assert (await desk.ask(ListMessages(session_id=UUID(SESSION)))).total == 1


async def request_approvals(desk: Desk) -> list[UUID]:
    """Request three approvals, and return their ids in order."""
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    ids = [UUID(APPROVAL), new_id(), new_id()]
    for n, id in enumerate(ids):
        await desk.send(RequestApproval.example().model_copy(update={"approval_id": id, "tool_use_id": str(n)}))
    return ids


async def test_approvals_are_listed_newest_first_in_pages(desk: Desk) -> None:
    first, second, third = await request_approvals(desk)
    page = await desk.ask(ListApprovals(status="pending", limit=2))
    assert ([a.id for a in page.items], page.total) == ([third, second], 3)
    assert [a.id for a in (await desk.ask(ListApprovals(after=second))).items] == [first]


async def test_approvals_are_filtered(desk: Desk) -> None:
    await request_approvals(desk)
    assert (await desk.ask(ListApprovals(status="denied"))).total == 0
    assert (await desk.ask(ListApprovals(session_id=UUID(SESSION)))).total == 3
    assert (await desk.ask(ListApprovals(session_id=new_id()))).total == 0


async def test_another_users_approvals_are_visible_to_admins_only(desk: Desk) -> None:
    await request_approvals(desk)
    assert (await desk.ask(ListApprovals(), STRANGER)).items == []
    with pytest.raises(Refusal, match=Code.APPROVAL_NOT_FOUND):
        await desk.ask(GetApproval.example(), STRANGER)
    assert (await desk.ask(ListApprovals(), ADMIN)).total == 3


async def test_a_large_approval_input_is_truncated_in_lists_only(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    large = {"content": "x" * 20_000}
    await desk.send(RequestApproval.example().model_copy(update={"tool_input": large}))
    [listed] = (await desk.ask(ListApprovals())).items
    assert (listed.tool_input["truncated"], listed.tool_input["size_bytes"]) == (True, 20_015)
    assert (await desk.ask(GetApproval.example())).tool_input == large


@pytest.mark.parametrize("query", [ListFiles, ReadFile])
async def test_files_of_an_archived_session_cannot_be_read(desk_after_run: Desk, query: Any) -> None:
    await desk_after_run.send(ArchiveSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_ARCHIVED):
        await desk_after_run.ask(query.example())


@pytest.mark.parametrize("query", [ListFiles, ReadFile])
async def test_files_of_a_fork_being_copied_cannot_be_read(desk_after_run: Desk, query: Any) -> None:
    fork = await desk_after_run.send(ForkSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_READY):
        await desk_after_run.ask(query.example().model_copy(update={"session_id": fork.id}))


async def test_an_archive_in_progress_cannot_be_read(desk_after_run: Desk) -> None:
    await desk_after_run.send(ArchiveSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_READY):
        await desk_after_run.ask(ReadArchive.example())


async def test_runs_are_listed_with_their_mcp_servers(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, RecordMcpServers):
        await desk.send(command.example())
    [run] = (await desk.ask(ListRuns(session_id=UUID(SESSION)))).items
    assert run.mcp_servers == (await desk.ask(GetRun(session_id=UUID(SESSION), run_id=run.id))).mcp_servers
    assert run.mcp_servers == RecordMcpServers.example().servers


def test_the_latency_of_a_server_is_shown_in_whole_milliseconds() -> None:
    [server] = RecordMcpServers.example().servers
    assert server.model_copy(update={"latency_ms": 41.6}).model_dump(mode="json")["latency_ms"] == 42


async def test_a_list_of_runs_omits_long_details_of_servers(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    server = RecordMcpServers.example().servers[0].model_copy(update={"detail": "x" * 2000})
    await desk.send(RecordMcpServers.example().model_copy(update={"servers": [server] * 100}))
    [run] = (await desk.ask(ListRuns(session_id=UUID(SESSION)))).items
    assert run.mcp_servers == [server.model_copy(update={"detail": ""})] * 100
