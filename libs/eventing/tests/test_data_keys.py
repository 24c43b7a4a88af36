"""Data keys are wrapped by the newest master key of a ring, and rotated to it by a command."""

import asyncio
from uuid import UUID

import pytest
from eventing import __main__ as command
from eventing.database import Database, data_keys
from eventing.database.data_keys import DataKeys
from eventing.testing.key_rings import ring, ring_json
from runtime.clock import new_id
from runtime.secrets.sealing import SecretUnreadable
from runtime.starting import CannotStart


async def create_keys(database: Database, count: int) -> dict[UUID, bytes | None]:
    async with database.transaction() as connection:
        ids = [new_id() for _ in range(count)]
        return {id: await database.data_keys.get_or_create(id, connection) for id in ids}


def use(database: Database, *ids: str) -> DataKeys:
    database.data_keys = DataKeys(lambda: ring(*ids))
    return database.data_keys


async def test_a_rotation_keeps_the_data_keys(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_keys, "BATCH_SIZE", 2)
    keys = await create_keys(database, 5)
    assert await use(database, "new", "test").rotate(database) == 5
    assert await use(database, "new").get(keys, database) == keys


async def test_a_repeated_rotation_changes_nothing(database: Database) -> None:
    await create_keys(database, 2)
    rotating = use(database, "new", "test")
    assert [await rotating.rotate(database) for _ in range(2)] == [2, 0]


async def test_concurrent_rotations_do_each_key_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_keys, "BATCH_SIZE", 2)
    keys = await create_keys(database, 9)
    rotating = use(database, "new", "test")
    assert sum(await asyncio.gather(rotating.rotate(database), rotating.rotate(database))) == 9
    assert await use(database, "new").get(keys, database) == keys


async def test_an_erased_key_is_not_rotated(database: Database) -> None:
    [id] = await create_keys(database, 1)
    async with database.transaction() as connection:
        await data_keys.erase(id, connection)
    assert await use(database, "new", "test").rotate(database) == 0
    assert await database.data_keys.get([id], database) == {id: None}


async def test_a_rotation_without_the_old_master_key_fails(database: Database) -> None:
    await create_keys(database, 1)
    with pytest.raises(SecretUnreadable, match="the ring has no key 'test'"):
        await use(database, "new").rotate(database)


async def test_a_removed_master_key_that_is_needed_prevents_the_start(database: Database) -> None:
    await create_keys(database, 1)
    with pytest.raises(CannotStart, match="stored secrets need the master key 'test'"):
        await use(database, "new").check(database)


async def test_another_master_key_with_the_same_id_prevents_the_start(database: Database) -> None:
    await create_keys(database, 1)
    database.data_keys = DataKeys(lambda: type(ring("x"))({"test": b"x" * 32}))
    with pytest.raises(CannotStart, match="missing or wrong"):
        await database.data_keys.check(database)


async def test_a_removed_master_key_that_nothing_needs_is_no_problem(database: Database) -> None:
    await create_keys(database, 1)
    await use(database, "new", "test").rotate(database)
    await use(database, "new").check(database)


async def run_command(database: Database, monkeypatch: pytest.MonkeyPatch, *ids: str) -> str | None:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("SECRETS_KEYS", ring_json(*ids))
    return await asyncio.to_thread(command.main, ["rotate-keys", database.schema])


async def test_the_command_rotates_and_reports(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await create_keys(database, 3)
    assert await run_command(database, monkeypatch, "new", "test") is None
    assert capsys.readouterr().out == "3 data keys wrapped again; data keys by master key: new: 3\n"


async def test_the_command_reports_a_missing_master_key(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await create_keys(database, 1)
    assert "the ring has no key 'test'" in str(await run_command(database, monkeypatch, "new"))


def test_the_command_requires_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/x")
    monkeypatch.delenv("SECRETS_KEYS", raising=False)
    assert str(command.main(["rotate-keys", "jar"])).startswith("SECRETS_KEY_FILE: set either this variable")
