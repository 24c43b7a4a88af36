"""Migration 0002 finds the owners of events that were stored without one."""

import json
from uuid import UUID

import pytest
from eventing.database import Database
from eventing.migrating import OWN

USER, SESSION, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
APPEND = """
    INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at)
    VALUES ($1, $2, 'evt.some.event;1', $3, '{}', now())"""


@pytest.mark.parametrize(
    ("events", "owner"),
    [
        ([{"user_id": str(USER), "name": "one"}, {"run_id": str(OTHER)}], USER),
        ([{"email": "ada@example.com"}, {"family_id": str(OTHER)}], SESSION),
    ],
)
async def test_the_owner_is_the_user_of_the_first_event_or_the_aggregate(
    database_url: str, events: list[dict[str, str]], owner: UUID
) -> None:
    async with Database.open(database_url, "old") as database:
        await database.execute("CREATE SCHEMA IF NOT EXISTS old")
        async with database.transaction() as connection:
            await connection.execute((OWN / "0001_events.sql").read_text())
            for version, event in enumerate(events, start=1):
                await connection.execute(APPEND, SESSION, version, json.dumps(event).encode())
            await connection.execute((OWN / "0002_owners.sql").read_text())
            rows = await connection.fetch("SELECT owner FROM events")
    assert [row["owner"] for row in rows] == [owner, owner]
