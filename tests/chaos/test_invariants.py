"""The invariants name what does not hold."""

from typing import Any

import pytest
from eventing.testing.harness import migrated
from onebox.testing.databases import Databases
from session.app import service

from tests.chaos import waiting
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


@pytest.mark.parametrize(("newest", "settles"), [([1, 2, 3, 4], True), ([1, 2, 2], False), ([1, 1], False)])
async def test_work_may_take_long_as_long_as_events_are_recorded(
    monkeypatch: pytest.MonkeyPatch, newest: list[int], settles: bool
) -> None:
    monkeypatch.setattr(waiting, "QUIET_SECONDS", 0.01)

    class Recording:
        async def fetchrow(self, _: str) -> int:
            return newest.pop(0)

    async def ended() -> bool:
        return not newest

    database: Any = Recording()
    assert await waiting.settles(database, ended) is settles
