"""Environment variables that an earlier release stored in clear stay readable, and are sealed."""

import asyncio
from uuid import UUID

import pytest
from contracts.session.session import CreateSession, DeleteSession
from contracts.session.values import SdkOptions
from eventing.database import Database
from eventing.secrets.earlier_secrets import FIND, EarlierSecrets
from eventing.store.postgres import PostgresStore
from runtime.clock import new_id
from session.agent.environments import VARIABLES
from session.aggregate import Session
from session.app import service

from services.session.tests.desk import Desk

EVENT, ROW = '{"variables": {"TOKEN": "sesame"}}', {"TOKEN": "sesame"}


@pytest.fixture
async def earlier(desk: Desk, owner: Database) -> UUID:
    """Provide a session whose variables are stored as an earlier release stored them."""
    return await create_earlier(desk, owner)


async def create_earlier(desk: Desk, owner: Database) -> UUID:
    command = CreateSession(session_id=new_id(), name="one", sdk_options=SdkOptions(env=ROW))
    id = (await desk.send(command)).id
    await owner.execute(
        "UPDATE events SET topic = 'evt.session.environment_set;1', state = $2 "
        "WHERE originator_id = $1 AND topic LIKE '%;sealed'",
        id,
        EVENT.encode(),
    )
    await desk.database.execute("UPDATE session_environments SET variables = $2 WHERE session_id = $1", id, ROW)
    await desk.database.execute("DELETE FROM data_keys WHERE aggregate = $1", id)
    return id


def new_store(desk: Desk) -> PostgresStore:
    return service.store(desk.database)


def replica(desk: Desk) -> EarlierSecrets:
    return EarlierSecrets(new_store(desk), service.aggregates, service.secrets)


async def read(desk: Desk, id: UUID) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables as the aggregate and as the agent read them."""
    session = await new_store(desk).load(Session, id)
    return session.environment, await VARIABLES.get(id, desk.database)


async def dump(database: Database) -> str:
    states = [row["state"] for row in await database.fetch("SELECT state FROM events ORDER BY position")]
    return str([*states, *await database.fetch("SELECT * FROM session_environments")])


async def test_variables_in_clear_are_read(desk: Desk, earlier: UUID) -> None:
    assert "sesame" in await dump(desk.database)
    assert await read(desk, earlier) == (ROW, ROW)


async def test_variables_in_clear_are_sealed(desk: Desk, earlier: UUID) -> None:
    assert await replica(desk).seal_all() == 1
    assert "sesame" not in await dump(desk.database)
    assert await read(desk, earlier) == (ROW, ROW)


async def test_sealing_again_changes_nothing(desk: Desk, earlier: UUID) -> None:
    await replica(desk).seal_all()
    before = await dump(desk.database)
    assert (await replica(desk).seal_all(), await dump(desk.database)) == (0, before)


async def test_replicas_seal_concurrently(desk: Desk, owner: Database, earlier: UUID) -> None:
    ids = [earlier, *[await create_earlier(desk, owner) for _ in range(5)]]
    await asyncio.gather(replica(desk).seal_all(), replica(desk).seal_all())
    assert "sesame" not in await dump(desk.database)
    assert [await read(desk, id) for id in ids] == [(ROW, ROW)] * 6


async def test_variables_of_a_session_that_was_deleted_earlier_are_erased(desk: Desk, earlier: UUID) -> None:
    await desk.send(DeleteSession(session_id=earlier))
    await replica(desk).seal_all()
    assert "sesame" not in await dump(desk.database)
    assert (await new_store(desk).load(Session, earlier)).environment == {}


async def test_events_in_clear_are_found_by_an_index(desk: Desk) -> None:
    async with desk.database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {FIND} LIMIT 1")
    assert "events_in_clear" in str(plan)
