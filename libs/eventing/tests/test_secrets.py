"""Tables of secrets hold sealed values, written in the transaction of the event that sets them, or not at all."""

from typing import Any

import pytest
from eventing.database import Connection, Database
from eventing.database.data_keys import DataKeys
from eventing.recording import Recorded
from eventing.secrets.sealed_values import Secrets
from eventing.store.postgres import PostgresStore
from eventing.testing.jars import Jar, project
from eventing.testing.key_rings import ring
from eventing.testing.messages import JarOpened, LockSet
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from runtime.secrets.sealing import SecretUnreadable

SECRETS = Secrets("jar_secrets", owner="jar_id", values="headers")
OWNER, OTHER = new_id(), new_id()


async def project_secrets(recorded: Recorded[Any], connection: Connection) -> None:
    await project(recorded, connection)
    if isinstance(recorded.event, LockSet):
        await SECRETS.put(recorded, {"TOKEN": recorded.event.code}, connection)
        if recorded.event.code == "fails":
            raise ZeroDivisionError


@pytest.fixture
def tables() -> str:
    return "CREATE TABLE jar_secrets (jar_id uuid PRIMARY KEY, headers jsonb NOT NULL)"


@pytest.fixture
async def store(database: Database) -> PostgresStore:
    store = PostgresStore(database, Jar.events, project_secrets)
    for id, code in ((OWNER, "plantedsecret"), (OTHER, "other")):
        jar = Jar(id)
        jar.record(JarOpened(label=str(id)))
        jar.record(LockSet(code=code))
        await store.save((jar,), Envelope.begin())
    return store


async def lock(store: PostgresStore, code: str) -> None:
    jar = await store.load(Jar, OWNER)
    jar.record(LockSet(code=code))
    await store.save((jar,), Envelope.begin())


async def test_secrets_are_read_by_owner(store: PostgresStore):
    assert await SECRETS.get(OWNER, store.database) == {"TOKEN": "plantedsecret"}


async def test_an_owner_without_secrets_has_no_values(store: PostgresStore):
    assert await SECRETS.get(new_id(), store.database) == {}


async def test_new_values_replace_all_old_ones(store: PostgresStore):
    await lock(store, "new")
    assert [await SECRETS.get(owner, store.database) for owner in (OWNER, OTHER)] == [
        {"TOKEN": "new"},
        {"TOKEN": "other"},
    ]


async def test_values_of_a_failed_transaction_are_not_stored(store: PostgresStore):
    with pytest.raises(ZeroDivisionError):
        await lock(store, "fails")
    assert await SECRETS.get(OWNER, store.database) == {"TOKEN": "plantedsecret"}


async def test_values_are_stored_encrypted(store: PostgresStore):
    rows = await store.database.fetch("SELECT * FROM jar_secrets")
    assert "plantedsecret" not in str(rows)


async def test_values_that_were_moved_to_another_owner_cannot_be_read(store: PostgresStore):
    await store.database.execute(
        "UPDATE jar_secrets SET headers = (SELECT headers FROM jar_secrets WHERE jar_id = $1)", OWNER
    )
    with pytest.raises(SecretUnreadable, match=f"jar_secrets of {OTHER}"):
        await SECRETS.get(OTHER, store.database)


async def test_values_without_a_data_key_cannot_be_read(store: PostgresStore):
    await store.database.execute("DELETE FROM data_keys")
    with pytest.raises(SecretUnreadable, match="the data key is missing"):
        await SECRETS.get(OWNER, store.database)


async def test_values_cannot_be_read_with_another_ring(store: PostgresStore):
    store.database.data_keys = DataKeys(lambda: ring("another"))
    with pytest.raises(SecretUnreadable, match="the ring has no key 'test'"):
        await SECRETS.get(OWNER, store.database)
