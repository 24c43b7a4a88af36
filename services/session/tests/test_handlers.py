from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION, USER
from contracts.session.commands import (
    CreateSession,
    DeleteSession,
    EndRun,
    RecordMessage,
    RecordToolResult,
    StartRun,
    SubmitQuery,
)
from eventing.handling import UnitOfWork
from eventing.locks import Locks
from eventing.memory import MemoryStore
from eventing.store import START
from runtime.clock import new_id
from runtime.envelope import Envelope
from session.aggregate import Session, SessionTemplate
from session.handlers import session as handlers

OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(SESSION), role="user")
ADMIN = Actor(user_id=UUID(SESSION), role="admin")


class Desk:
    """Handlers on the store in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore({**Session.facts, **SessionTemplate.facts})

    async def put(self, handler: Callable[[Any, Any], Awaitable[None]], command: Any, actor: Actor = OWNER) -> None:
        envelope = Envelope.begin(actor=actor)
        async with UnitOfWork[Any](self.store, envelope, None, Locks()) as work:
            await handler(command, work)

    async def facts(self) -> list[str]:
        return [fed.recorded.fact.subject.removeprefix("evt.session.") for fed in await self.store.feed(START, 100)]


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.put(handlers.create_session, CreateSession.example())
    return desk


async def test_creating_records_the_actor_as_owner(desk: Desk) -> None:
    session = await desk.store.load(Session, UUID(SESSION))
    assert session.user_id == OWNER.user_id


async def test_a_conversation_is_recorded_in_order(desk: Desk) -> None:
    await desk.put(handlers.submit_query, SubmitQuery.example())
    await desk.put(handlers.start_run, StartRun.example())
    await desk.put(handlers.record_message, RecordMessage.example())
    await desk.put(handlers.record_tool_result, RecordToolResult.example())
    await desk.put(handlers.end_run, EndRun.example())
    assert await desk.facts() == [
        "created",
        "run_requested",
        "run_started",
        "message_recorded",
        "tool_call_started",
        "tool_call_ended",
        "run_completed",
    ]


@pytest.mark.parametrize(
    ("handler", "command"),
    [
        (handlers.submit_query, SubmitQuery.example()),
        (handlers.start_run, StartRun.example()),
        (handlers.record_message, RecordMessage.example()),
        (handlers.record_tool_result, RecordToolResult.example()),
        (handlers.end_run, EndRun.example()),
        (handlers.delete_session, DeleteSession.example()),
    ],
)
async def test_what_is_anothers_does_not_exist(desk: Desk, handler: Any, command: Any) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.put(handler, command, STRANGER)
    assert await desk.facts() == ["created"]


async def test_an_admin_may_delete_anyones_session(desk: Desk) -> None:
    await desk.put(handlers.delete_session, DeleteSession.example(), ADMIN)
    assert await desk.facts() == ["created", "deleted"]


async def test_a_deleted_session_does_not_exist(desk: Desk) -> None:
    await desk.put(handlers.delete_session, DeleteSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.put(handlers.submit_query, SubmitQuery.example())


async def test_an_unknown_session_is_refused(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.put(handlers.delete_session, DeleteSession(session_id=new_id()))
