"""Secret events are stored sealed by the data key of their aggregate."""

import asyncio
from unittest.mock import Mock
from uuid import UUID

import pytest
from eventing.database import Database
from eventing.database.data_keys import DataKeys
from eventing.store import Conflict
from eventing.store.postgres import PostgresStore
from eventing.testing.jars import Jar, project
from eventing.testing.key_rings import ring
from eventing.testing.messages import JAR, JarBroken, JarEvent, JarOpened, LockSet, MarbleAdded
from runtime.bus.envelope import Envelope
from runtime.secrets.sealing import SecretUnreadable

OTHER = UUID(int=2)
CODE = "plantedsecret"


@pytest.fixture
def store(postgres_store: PostgresStore) -> PostgresStore:
    return postgres_store


@pytest.fixture
def replica(database: Database) -> PostgresStore:
    """Provide the store of another replica, with nothing in memory."""
    return PostgresStore(database, Jar.events, project)


async def create(store: PostgresStore, *events: JarEvent, id: UUID = JAR) -> None:
    jar = Jar(id)
    for event in (JarOpened(label=str(id)), *events):
        jar.record(event)
    await store.save((jar,), Envelope.begin())


async def append(store: PostgresStore, event: JarEvent) -> None:
    jar = await store.load(Jar, JAR)
    jar.record(event)
    await store.save((jar,), Envelope.begin())


async def count_keys(database: Database) -> int:
    return await database.fetchval("SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL")


async def test_a_secret_is_read_by_another_replica(store: PostgresStore, replica: PostgresStore) -> None:
    await create(store, LockSet(code=CODE))
    assert (await replica.load(Jar, JAR)).code == CODE


async def test_a_secret_is_not_stored_in_clear(store: PostgresStore, database: Database) -> None:
    await create(store, LockSet(code=CODE))
    assert CODE.encode().hex() not in str(
        await database.fetchval("SELECT string_agg(encode(state, 'hex'), ' ') FROM events")
    )


async def test_an_aggregate_without_secrets_has_no_data_key(store: PostgresStore, database: Database) -> None:
    await create(store, MarbleAdded(colour="red", size=1))
    assert await count_keys(database) == 0


async def test_an_aggregate_without_secrets_needs_no_keys(store: PostgresStore, replica: PostgresStore) -> None:
    store.database.data_keys = DataKeys(None)
    await create(store)
    await append(replica, MarbleAdded(colour="red", size=1))
    assert (await replica.load(Jar, JAR)).colours == ["red"]


async def test_later_secrets_use_the_same_data_key(store: PostgresStore, database: Database) -> None:
    await create(store, LockSet(code="first"))
    await append(store, LockSet(code=CODE))
    assert (await count_keys(database), (await store.load(Jar, JAR)).code) == (1, CODE)


async def test_replicas_that_set_the_first_secret_concurrently_agree_on_a_key(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await create(store)
    results = await asyncio.gather(
        append(store, LockSet(code="one")), append(replica, LockSet(code="two")), return_exceptions=True
    )
    assert [type(result) for result in results if result] in ([], [Conflict])
    assert await count_keys(database) == 1
    assert (await PostgresStore(database, Jar.events, project).load(Jar, JAR)).code in {"one", "two"}


async def test_a_data_key_created_meanwhile_is_a_conflict(
    store: PostgresStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(store)
    async with database.transaction() as connection:
        await database.data_keys.get_or_create(JAR, connection)

    async def nothing(*_: object) -> dict[UUID, bytes | None]:
        return {}

    monkeypatch.setattr(database.data_keys, "get", nothing)
    with pytest.raises(Conflict):
        await append(store, LockSet(code=CODE))


async def test_a_changed_ciphertext_cannot_be_read(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await create(store, LockSet(code=CODE))
    await database.execute(
        "UPDATE events SET state = set_byte(state, 20, 255 - get_byte(state, 20)) WHERE originator_version = 2"
    )
    with pytest.raises(SecretUnreadable, match="changed or moved"):
        await replica.load(Jar, JAR)


MOVES = {
    "of another aggregate": "originator_id = '00000000-0000-0000-0000-000000000002' AND originator_version = 2",
    "of an earlier version": f"originator_id = '{JAR}' AND originator_version = 2",
}


@pytest.mark.parametrize("source", MOVES.values(), ids=MOVES)
async def test_a_moved_ciphertext_cannot_be_read(
    source: str, store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await create(store, LockSet(code="first"), LockSet(code=CODE))
    await create(store, LockSet(code="other"), id=OTHER)
    await database.execute(
        f"UPDATE events SET state = (SELECT state FROM events WHERE {source}) "  # noqa: S608  constants
        "WHERE originator_id = $1 AND originator_version = 3",
        JAR,
    )
    with pytest.raises(SecretUnreadable, match="changed or moved"):
        await replica.load(Jar, JAR)


async def test_a_data_key_of_another_aggregate_cannot_be_unwrapped(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    for id in (JAR, OTHER):
        await create(store, LockSet(code=CODE), id=id)
    await database.execute("UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE aggregate = $1)", OTHER)
    with pytest.raises(SecretUnreadable, match=f"data key of {JAR}"):
        await replica.load(Jar, JAR)


async def test_a_lost_data_key_is_an_error(store: PostgresStore, replica: PostgresStore, database: Database) -> None:
    await create(store, LockSet(code=CODE))
    await database.execute("DELETE FROM data_keys")
    with pytest.raises(SecretUnreadable, match=f"the data key of {JAR} is missing"):
        await replica.load(Jar, JAR)


async def test_deleting_an_aggregate_erases_its_secrets(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await create(store, LockSet(code=CODE))
    await append(store, JarBroken())
    deleted = await replica.load(Jar, JAR)
    assert (deleted.deleted, deleted.code, await count_keys(database)) == (True, "", 0)


async def test_without_a_ring_no_secret_is_stored(store: PostgresStore, database: Database) -> None:
    database.data_keys = DataKeys(None)
    with pytest.raises(SecretUnreadable, match="without a ring of master keys"):
        await create(store, LockSet(code=CODE))
    assert await database.fetchval("SELECT count(*) FROM events") == 0


async def test_the_feed_needs_no_keys(store: PostgresStore, database: Database) -> None:
    await create(store, LockSet(code=CODE))
    database.data_keys = DataKeys(None)
    assert [entry.recorded.event for entry in await store.feed((0, 0), 10)] == [JarOpened(label=str(JAR)), LockSet()]


async def test_secrets_stay_readable_while_keys_are_rotated(
    store: PostgresStore, replica: PostgresStore, database: Database
) -> None:
    await create(store, LockSet(code="first"))
    database.data_keys = DataKeys(lambda: ring("new", "test"))
    reading = asyncio.gather(*(PostgresStore(database, Jar.events, project).load(Jar, JAR) for _ in range(20)))
    count, _ = await asyncio.gather(database.data_keys.rotate(database), append(store, LockSet(code=CODE)))
    assert {jar.code for jar in await reading} <= {"first", CODE}
    database.data_keys = DataKeys(lambda: ring("new"))
    assert (count, (await replica.load(Jar, JAR)).code) == (1, CODE)


async def test_a_load_reads_the_data_key_once(
    store: PostgresStore, replica: PostgresStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(store, LockSet(code="first"), LockSet(code=CODE))
    get = Mock(side_effect=database.data_keys.get)
    monkeypatch.setattr(database.data_keys, "get", get)
    await replica.load(Jar, JAR)
    assert get.call_count == 1
