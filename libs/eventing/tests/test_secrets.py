"""Secrets are stored in the transaction of the event that sets them, or not at all."""

import pytest
from eventing.database import Database
from eventing.secrets import Secrets
from runtime.clock import new_id

SECRETS = Secrets("jar_secrets", owner="jar_id", values="headers")
OWNER, OTHER = new_id(), new_id()


@pytest.fixture
async def stored(database: Database) -> Database:
    await database.execute("CREATE TABLE jar_secrets (jar_id uuid PRIMARY KEY, headers jsonb NOT NULL)")
    async with database.transaction() as connection:
        await SECRETS.put(OWNER, {"TOKEN": "s3cr3t"}, connection)
        await SECRETS.put(OTHER, {"TOKEN": "other"}, connection)
    return database


async def test_secrets_are_read_by_owner(stored: Database):
    assert await SECRETS.get(OWNER, stored) == {"TOKEN": "s3cr3t"}


async def test_an_owner_without_secrets_has_no_values(stored: Database):
    assert await SECRETS.get(new_id(), stored) == {}


async def test_new_values_replace_all_old_ones(stored: Database):
    async with stored.transaction() as connection:
        await SECRETS.put(OWNER, {"KEY": "new"}, connection)
    assert [await SECRETS.get(owner, stored) for owner in (OWNER, OTHER)] == [{"KEY": "new"}, {"TOKEN": "other"}]


async def test_values_of_a_failed_transaction_are_not_stored(stored: Database):
    with pytest.raises(ZeroDivisionError):
        await put_and_fail(stored)
    assert await SECRETS.get(OWNER, stored) == {"TOKEN": "s3cr3t"}


async def put_and_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await SECRETS.put(OWNER, {"KEY": "new"}, connection)
        raise ZeroDivisionError
