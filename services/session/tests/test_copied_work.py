"""A fork has the tool calls and runs that its messages name."""

import asyncio
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import FORK, RUN, SESSION, TOOL_CALL, USER
from contracts.session.conversation import GetToolCall, ListToolCalls, RecordMessage, RecordToolResult
from contracts.session.fork import CompleteFork, ForkSession
from contracts.session.quota import GetUsage
from contracts.session.run import CancelRun, EndRun, GetRun, ListRuns, StartRun, SubmitQuery
from contracts.session.session import DeleteSession, GetSession
from contracts.session.values import Usage
from runtime.clock import new_id
from session.copied_work import CopiedWork

from services.session.tests.desk import Desk

PARENT, FORK_ID, RUN_ID = UUID(SESSION), UUID(FORK), UUID(RUN)


async def fork(desk: Desk, parent: UUID = PARENT, id: UUID = FORK_ID, until: UUID | None = None) -> UUID:
    """Create a fork, up to the message `until`, with its copy of tool calls and runs."""
    view = await desk.send(ForkSession(session_id=parent, fork_id=id, name="fork", from_message_id=until))
    await CopiedWork(desk.database).copy(parent, id, view.total_messages)
    await desk.send(CompleteFork(session_id=id, file_count=0, left_out=0))
    return id


async def call_again(desk: Desk, session_id: UUID) -> UUID:
    """Run the session again, with another tool call. Return the id of the user's message."""
    query = SubmitQuery(session_id=session_id, run_id=(run_id := new_id()), message_id=new_id(), message="?")
    await desk.send(query)
    await desk.send(StartRun(session_id=session_id, run_id=run_id))
    message, result = RecordMessage.example(), RecordToolResult.example()
    of_run = {"session_id": session_id, "run_id": run_id}
    block = message.blocks[1].model_copy(update={"tool_call_id": new_id()})
    await desk.send(message.model_copy(update=of_run | {"message_id": new_id(), "blocks": [block]}))
    await desk.send(result.model_copy(update=of_run))
    await desk.send(EndRun(session_id=session_id, run_id=run_id, attempt=1, usage=Usage(input_tokens=1)))
    return query.message_id


async def test_a_fork_has_the_tool_calls_of_its_messages(desk_after_run: Desk) -> None:
    await call_again(desk_after_run, PARENT)
    await fork(desk_after_run)
    calls = await desk_after_run.ask(ListToolCalls(session_id=FORK_ID))
    assert (calls.total, calls) == (2, await desk_after_run.ask(ListToolCalls(session_id=PARENT)))
    assert (await desk_after_run.ask(GetSession(session_id=FORK_ID))).total_tool_calls == 2


async def test_a_fork_keeps_its_calls_when_the_parent_is_deleted(desk_after_run: Desk) -> None:
    before = await desk_after_run.ask(GetToolCall(session_id=PARENT, tool_call_id=UUID(TOOL_CALL)))
    await fork(desk_after_run)
    await desk_after_run.send(DeleteSession(session_id=PARENT))
    assert await desk_after_run.ask(GetToolCall(session_id=FORK_ID, tool_call_id=before.id)) == before


async def test_a_fork_of_a_fork_has_the_calls_and_runs_of_both(desk_after_run: Desk) -> None:
    await call_again(desk_after_run, await fork(desk_after_run))
    second = await fork(desk_after_run, FORK_ID, new_id())
    assert (await desk_after_run.ask(ListToolCalls(session_id=second))).total == 2
    assert len((await desk_after_run.ask(ListRuns(session_id=second))).items) == 2


async def test_a_fork_of_an_earlier_message_has_only_the_calls_before_it(desk_after_run: Desk) -> None:
    await fork(desk_after_run, until=await call_again(desk_after_run, PARENT))
    calls = await desk_after_run.ask(ListToolCalls(session_id=FORK_ID))
    assert (calls.total, [call.id for call in calls.items]) == (1, [UUID(TOOL_CALL)])


async def test_the_run_of_a_copied_message_is_found_in_the_fork(desk_after_run: Desk) -> None:
    await fork(desk_after_run)
    original = await desk_after_run.ask(GetRun(session_id=PARENT, run_id=RUN_ID))
    assert original.usage != Usage()
    copied = await desk_after_run.ask(GetRun(session_id=FORK_ID, run_id=RUN_ID))
    assert copied == original.model_copy(update={"session_id": FORK_ID, "usage": Usage()})
    assert (copied.text, len(copied.tool_calls)) == ("Reading it.", 1)


async def test_a_run_without_its_answer_in_the_fork_has_no_text(desk_after_run: Desk) -> None:
    await fork(desk_after_run, until=await call_again(desk_after_run, PARENT))
    [cut, _] = (await desk_after_run.ask(ListRuns(session_id=FORK_ID))).items
    copied = await desk_after_run.ask(GetRun(session_id=FORK_ID, run_id=cut.id))
    assert (copied.text, copied.message_id, copied.tool_calls) == ("", None, [])


async def test_copied_runs_use_no_quota_and_cannot_be_cancelled(desk_after_run: Desk) -> None:
    used = await desk_after_run.ask(GetUsage(user_id=UUID(USER), role="user"))
    await fork(desk_after_run)
    again = await desk_after_run.ask(GetUsage(user_id=UUID(USER), role="user"))
    assert (again.budget_per_month_usd, again.concurrent_runs) == (used.budget_per_month_usd, used.concurrent_runs)
    assert (await desk_after_run.ask(GetSession(session_id=FORK_ID))).total_cost_usd == 0
    with pytest.raises(Refusal, match=Code.RUN_OVER):
        await desk_after_run.send(CancelRun(session_id=FORK_ID, run_id=RUN_ID))


async def test_concurrent_copies_copy_each_call_once(desk_after_run: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.copied_work.BATCH_MESSAGES", 1)
    await desk_after_run.send(ForkSession.example())
    copies = CopiedWork(desk_after_run.database)
    await asyncio.gather(*(copies.copy(PARENT, FORK_ID, 2) for _ in range(4)))
    assert (await desk_after_run.ask(ListToolCalls(session_id=FORK_ID))).total == 1


async def test_a_call_of_the_fork_does_not_change_that_of_the_parent(desk_after_run: Desk) -> None:
    before = await desk_after_run.ask(ListToolCalls(session_id=PARENT))
    await call_again(desk_after_run, await fork(desk_after_run))
    assert await desk_after_run.ask(ListToolCalls(session_id=PARENT)) == before
