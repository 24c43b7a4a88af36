"""The invariants name what does not hold."""

from eventing.testing.harness import migrated
from onebox.testing.databases import Databases
from session.app import service

from tests.chaos.invariants import totals

ADD_SESSION = (
    "INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at) "
    "VALUES (gen_random_uuid(), gen_random_uuid(), 'x', 'interactive', 'created', '{}', now(), now())"
)


async def test_totals_that_differ_from_the_sessions_are_named(databases: Databases) -> None:
    async with migrated(databases, service.name, service.migrations) as database:
        await database.execute(ADD_SESSION)
        assert await totals(database) == []
        await database.execute("UPDATE session_totals SET n = n + 2")
        [found] = await totals(database)
    assert found == "1 sessions are created, and 3 are counted"
