"""Read models and what is answered from them, on PostgreSQL."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor, Command, Query
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE, RUN, SESSION, USER
from contracts.session.commands import (
    CreateSession,
    DeleteSession,
    EndRun,
    RecordMessage,
    RecordToolResult,
    StartRun,
    SubmitQuery,
)
from contracts.session.queries import CountSessions, GetRun, GetSession, ListMessages, ListSessions, ListToolCalls
from contracts.session.values import SdkOptions
from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.migrating import migrate
from eventing.postgres import PostgresStore
from onebox.testing.databases import Databases
from runtime.clock import new_id
from runtime.envelope import Envelope
from session.app import service

OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(SESSION), role="user")
ADMIN = Actor(user_id=UUID(SESSION), role="admin")


class Desk:
    """The session service's handlers and queries on a database of their own."""

    def __init__(self, database: Database) -> None:
        store = PostgresStore(database, service.facts, service.project)
        self.dispatcher = Dispatcher[Any](store, database, None, service.commands, service.queries)

    async def send[R](self, command: Command[R], actor: Actor = OWNER) -> R:
        return await self.dispatcher.send(command, Envelope.begin(actor=actor))

    async def ask[R](self, query: Query[R], actor: Actor = OWNER) -> R:
        return await self.dispatcher.ask(query, Envelope.begin(actor=actor))

    async def create(self, name: str = "one", actor: Actor = OWNER) -> UUID:
        command = CreateSession(session_id=new_id(), name=name, mode="interactive", sdk_options=SdkOptions())
        return (await self.send(command, actor)).id

    async def names(self, query: ListSessions, actor: Actor = OWNER) -> list[str]:
        return [session.name for session in (await self.ask(query, actor)).items]


async def _migrate(url: str) -> None:
    async with Database.open(url, service.name) as database:
        await migrate(database, service.migrations)


@pytest.fixture
async def desk(databases: Databases) -> AsyncGenerator[Desk]:
    template = await databases.template(service.name, _migrate)
    async with databases.fresh(template) as url, Database.open(url, service.name) as database:
        yield Desk(database)


@pytest.fixture
async def talked(desk: Desk) -> Desk:
    """A session in which a run with one tool call is over."""
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage, RecordToolResult, EndRun):
        await desk.send(command.example())
    return desk


async def test_a_created_session_is_answered_at_once(desk: Desk) -> None:
    session = await desk.send(CreateSession.example())
    assert (session.status, session.user_id, session.started_at) == ("created", OWNER.user_id, None)
    assert session.working_directory_path == f"/workspaces/{SESSION}"


async def test_a_session_counts_what_happened_in_it(talked: Desk) -> None:
    session = await talked.ask(GetSession(session_id=UUID(SESSION)))
    assert (session.status, session.total_messages, session.total_tool_calls) == ("active", 2, 1)
    assert (session.api_input_tokens, session.api_output_tokens, str(session.total_cost_usd)) == (150, 420, "0.0012")
    assert session.started_at is not None


async def test_a_session_is_processing_while_a_run_goes(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    run = await desk.send(SubmitQuery.example())
    assert run.status == "queued"
    assert (await desk.ask(GetSession(session_id=UUID(SESSION)))).status == "processing"


async def test_a_run_tells_its_answer_its_tool_calls_and_its_usage(talked: Desk) -> None:
    run = await talked.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))
    assert (run.status, run.message_id, run.text, run.attempt) == ("completed", UUID(MESSAGE), "Reading it.", 1)
    assert [(call.tool_name, call.status) for call in run.tool_calls] == [("Read", "success")]
    assert run.usage.output_tokens == 420


async def test_a_failed_run_tells_why_and_keeps_what_was_said(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    failed = EndRun(session_id=UUID(SESSION), run_id=UUID(RUN), error_code=Code.MODEL_ERROR, error_detail="529")
    await desk.send(failed)
    run = await desk.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))
    assert (run.status, run.error_code, run.error_detail, run.text) == ("failed", "MODEL_ERROR", "529", "Reading it.")
    assert [call.status for call in run.tool_calls] == ["interrupted"]


async def test_messages_come_in_their_order(talked: Desk) -> None:
    page = await talked.ask(ListMessages(session_id=UUID(SESSION)))
    assert [(m.sequence_number, m.message_type) for m in page.items] == [(1, "user"), (2, "assistant")]
    assert page.items[1].content["content"] == "Reading it."


async def test_messages_come_in_pages(talked: Desk) -> None:
    page = await talked.ask(ListMessages(session_id=UUID(SESSION), skip=1, limit=1))
    assert ([m.sequence_number for m in page.items], page.total) == ([2], 2)


async def test_tool_calls_tell_input_and_output(talked: Desk) -> None:
    [call] = (await talked.ask(ListToolCalls(session_id=UUID(SESSION)))).items
    assert (call.tool_input, call.tool_output) == ({"file_path": "/workspace/a"}, {"content": "hello"})


async def test_sessions_are_listed_newest_first(desk: Desk) -> None:
    for name in ("one", "two", "three"):
        await desk.create(name)
    assert await desk.names(ListSessions()) == ["three", "two", "one"]


async def test_a_list_goes_on_after_an_id(desk: Desk) -> None:
    ids = [await desk.create(name) for name in ("one", "two", "three")]
    assert await desk.names(ListSessions(after=ids[1])) == ["one"]


async def test_a_list_is_filtered_and_counts_what_matches(desk: Desk) -> None:
    busy = await desk.create("busy")
    await desk.create("idle")
    await desk.send(SubmitQuery(session_id=busy, run_id=new_id(), message_id=new_id(), message="?"))
    page = await desk.ask(ListSessions(status="processing"))
    assert ([s.name for s in page.items], page.total) == (["busy"], 1)


async def test_a_user_lists_only_their_own_and_an_admin_all(desk: Desk) -> None:
    await desk.create("mine")
    await desk.create("theirs", STRANGER)
    assert await desk.names(ListSessions()) == ["mine"]
    assert (await desk.ask(ListSessions(), ADMIN)).total == 2


@pytest.mark.parametrize("query", [GetSession, GetRun, ListMessages, ListToolCalls])
async def test_what_is_anothers_does_not_exist(talked: Desk, query: Any) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await talked.ask(query.example(), STRANGER)


async def test_an_unknown_run_is_refused(talked: Desk) -> None:
    with pytest.raises(Refusal, match=Code.RUN_NOT_FOUND):
        await talked.ask(GetRun(session_id=UUID(SESSION), run_id=new_id()))


async def test_a_deleted_session_is_gone_from_all_reads(talked: Desk) -> None:
    await talked.send(DeleteSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await talked.ask(GetSession(session_id=UUID(SESSION)))
    assert (await talked.ask(ListSessions())).total == 0


async def test_sessions_are_counted_by_status(talked: Desk) -> None:
    await talked.create()
    assert {s: n for s, n in (await talked.ask(CountSessions())).items() if n} == {"active": 1, "created": 1}


async def test_a_query_that_came_twice_is_carried_out_once(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    envelope = Envelope.begin(actor=OWNER)
    first = await desk.dispatcher.send(SubmitQuery.example(), envelope)
    assert await desk.dispatcher.send(SubmitQuery.example(), envelope) == first
    assert (await desk.ask(ListMessages(session_id=UUID(SESSION)))).total == 1
