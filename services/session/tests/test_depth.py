"""The nesting depth of sessions that agents use over MCP."""

from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION, USER
from contracts.session.fork import ForkSession
from contracts.session.run import SubmitQuery
from contracts.session.session import CreateSession, DepthIncreased, GetSession
from contracts.session.values import SdkOptions
from runtime.clock import new_id
from session.aggregate import Session

from services.session.tests.desk import Desk

ID = UUID(SESSION)


@pytest.fixture
def session() -> Session:
    session = Session(ID)
    session.create(UUID(USER), "one", "interactive", SdkOptions())
    session.mark_committed()
    return session


async def create(desk: Desk, depth: int) -> None:
    await desk.send(CreateSession.model_validate(CreateSession.sample | {"depth": depth}))


async def query(desk: Desk, depth: int) -> None:
    await desk.send(SubmitQuery(session_id=ID, run_id=new_id(), message_id=new_id(), message="?", depth=depth))


async def depth(desk: Desk, session_id: UUID = ID) -> int:
    return (await desk.ask(GetSession(session_id=session_id))).depth


@pytest.mark.parametrize(("requested", "expected"), [(1, 2), (2, 2), (3, 3)])
def test_a_depth_never_falls(session: Session, requested: int, expected: int) -> None:
    session.increase_depth(2)
    session.increase_depth(requested)
    assert session.depth == expected


def test_a_session_that_no_agent_uses_records_no_depth(session: Session) -> None:
    session.increase_depth(0)
    assert session.pending == []


def test_a_fork_has_the_depth_of_its_parent(session: Session) -> None:
    session.increase_depth(2)
    fork = session.fork(new_id(), UUID(USER), "fork", [])
    assert DepthIncreased(depth=2) in fork.pending


async def test_a_session_that_an_agent_creates_has_its_depth(desk: Desk) -> None:
    await create(desk, 2)
    assert await depth(desk) == 2


async def test_a_query_of_an_agent_increases_the_depth(desk: Desk) -> None:
    await create(desk, 0)
    await query(desk, 1)
    assert await depth(desk) == 1


async def test_a_query_that_is_refused_leaves_the_depth(desk: Desk) -> None:
    await create(desk, 0)
    await query(desk, 0)
    with pytest.raises(Refusal, match=Code.SESSION_BUSY):
        await query(desk, 1)
    assert await depth(desk) == 0


async def test_the_depth_of_a_fork_is_readable(desk: Desk) -> None:
    await create(desk, 2)
    fork = await desk.send(ForkSession(session_id=ID, fork_id=new_id(), name="fork"))
    assert await depth(desk, fork.id) == 2
