"""A read model is rebuilt beside the live one, which stays in use until both are swapped."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.handling import Handlers
from eventing.rebuild_job import RebuildSettings, rebuild
from eventing.rebuilding import CannotRebuild, ReadModel, ReadModels
from eventing.rebuilding import rebuild as rebuilding
from eventing.service import Service, ServiceSettings
from eventing.store.postgres import PostgresStore
from eventing.testing.following import append
from eventing.testing.harness import migrated
from eventing.testing.jars import MIGRATIONS, Jar, project
from eventing.testing.messages import JarBroken, JarOpened, MarbleAdded
from onebox.testing.databases import Databases

MARBLE = MarbleAdded(colour="blue", size=1)
MODELS = ReadModels([ReadModel("jars", ["jars"])], {"lids": "nobody records them"})
JARS: Service[ServiceSettings, None] = Service(
    name="jar",
    aggregates=[Jar],
    commands=Handlers(),
    queries=Handlers(),
    project=project,
    dependencies=cast(Any, None),
    read_models=MODELS,
    package="eventing.testing",
)
LEFT = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'rebuild%'"


class Shop:
    """The jars of a service, and the command of its operator."""

    def __init__(self, database: Database, owner_url: str) -> None:
        self.database, self.store = database, PostgresStore(database, Jar.events, project)
        self.settings = RebuildSettings(
            database_url=database.url, migration_database_url=owner_url, dependency_wait_seconds=10
        )
        self.stop = asyncio.Event()

    async def rebuild(self, name: str = "jars") -> None:
        await rebuild(JARS, name, self.settings, self.stop)

    async def open(self, number: int, label: str = "") -> None:
        await append(self.store, JarOpened(label=label or str(number)), at=UUID(int=number))

    async def add(self, number: int) -> None:
        await append(self.store, MARBLE, at=UUID(int=number))

    async def marbles(self) -> dict[str, int]:
        return {row["label"]: row["marbles"] for row in await self.database.fetch("SELECT label, marbles FROM jars")}


@pytest_asyncio.fixture
async def shop(databases: Databases) -> AsyncGenerator[Shop]:
    """Provide two jars, of which one has a marble, and a read model that says otherwise."""
    async with migrated(databases, "jar", MIGRATIONS) as database:
        shop = Shop(database, databases.as_owner(database.url))
        await shop.open(1)
        await shop.open(2)
        await shop.add(1)
        await database.execute("UPDATE jars SET marbles = 7")
        yield shop


async def test_the_rebuilt_read_model_is_in_use_and_nothing_is_left_of_the_other(shop: Shop) -> None:
    await shop.rebuild()
    assert await shop.marbles() == {"1": 1, "2": 0}
    assert await shop.database.fetchval(LEFT) == 0
    await shop.add(2)
    assert await shop.marbles() == {"1": 1, "2": 1}


async def test_the_role_of_the_service_keeps_its_privileges(shop: Shop) -> None:
    owner_alone = RebuildSettings(database_url=shop.settings.owner_url, dependency_wait_seconds=10)
    await rebuild(JARS, "jars", owner_alone, shop.stop)
    await shop.add(2)
    assert await shop.marbles() == {"1": 1, "2": 1}


async def test_a_role_that_does_not_own_the_tables_is_refused_with_advice(shop: Shop) -> None:
    service_alone = RebuildSettings(database_url=shop.database.url, dependency_wait_seconds=10)
    with pytest.raises(CannotRebuild, match="set MIGRATION_DATABASE_URL to the owner"):
        await rebuild(JARS, "jars", service_alone, shop.stop)


async def test_events_that_are_stored_during_the_rebuild_are_projected_once(shop: Shop) -> None:
    added, stop = [0, 0], asyncio.Event()

    async def add_marbles(number: int) -> None:
        while not stop.is_set():
            await shop.add(number)
            added[number - 1] += 1

    async with asyncio.TaskGroup() as tasks:
        for number in (1, 2):
            tasks.create_task(add_marbles(number))
        for _ in range(3):
            await shop.rebuild()
        stop.set()
    assert min(added) > 0
    assert await shop.marbles() == {"1": 1 + added[0], "2": added[1]}


async def test_a_name_that_two_aggregates_had_one_after_the_other_is_unique(shop: Shop) -> None:
    await append(shop.store, JarBroken(), at=UUID(int=1))
    await shop.open(3, "1")
    await shop.add(3)
    await shop.rebuild()
    assert await shop.marbles() == {"1": 1, "2": 0}


async def test_what_was_left_by_a_rebuild_that_was_killed_is_removed(shop: Shop) -> None:
    async with Database.open(shop.settings.owner_url, "jar", size=1) as owner:
        for schema in ("rebuild_jar", "rebuild_jar_old"):
            await owner.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.jars (id int)")
    await shop.rebuild()
    assert await shop.marbles() == {"1": 1, "2": 0}
    assert await shop.database.fetchval(LEFT) == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [("lids", "lids cannot be rebuilt: nobody records them"), ("jugs", "no read model 'jugs'. There are: jars")],
)
async def test_what_cannot_be_rebuilt_is_refused_with_the_reason(shop: Shop, name: str, reason: str) -> None:
    with pytest.raises(CannotRebuild, match=reason):
        await shop.rebuild(name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("state = '{'", "No release can read the event 1 of 00000000-0000-0000-0000-000000000002"),
        ("topic = 'evt.jar.polished;1'", "Only a newer release can read an event"),
        ("""state = '{"label": "1"}'""", "do not satisfy a constraint.*jars_label"),
    ],
)
async def test_if_the_events_cannot_be_projected_the_live_one_stays(shop: Shop, change: str, reason: str) -> None:
    async with Database.open(shop.settings.owner_url, "jar", size=1) as owner:
        await owner.execute(f"UPDATE events SET {change} WHERE originator_id = $1", UUID(int=2))  # noqa: S608
    with pytest.raises(CannotRebuild, match=reason):
        await shop.rebuild()
    assert await shop.marbles() == {"1": 7, "2": 7}
    assert await shop.database.fetchval(LEFT) == 0


async def test_a_table_in_use_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "ATTEMPTS", 1)
    async with shop.database.transaction() as connection:
        await connection.fetch("SELECT FROM jars")
        with pytest.raises(CannotRebuild, match="in use all the time"):
            await shop.rebuild()
    assert await shop.marbles() == {"1": 7, "2": 7}


async def test_two_rebuilds_of_a_service_exclude_each_other(shop: Shop) -> None:
    async with shop.database.advisory_lock("rebuild:jar"):
        with pytest.raises(CannotRebuild, match="Another rebuild of jar is in progress"):
            await shop.rebuild()


async def test_a_rebuild_that_is_stopped_leaves_the_live_one(shop: Shop) -> None:
    shop.stop.set()
    with pytest.raises(CannotRebuild, match="was stopped"):
        await shop.rebuild()
    assert await shop.marbles() == {"1": 7, "2": 7}
