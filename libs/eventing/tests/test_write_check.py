"""Whether the database accepts changes, as a service reports it."""

import pytest
from eventing.database import Database, writing
from eventing.database.writing import WriteCheck
from runtime.http.health import NotReady

WRITTEN = "SELECT at FROM write_checks"


async def set_read_only(database: Database, value: str) -> None:
    """Set whether new connections can only read."""
    name = await database.fetchval("SELECT quote_ident(current_database())")
    await database.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
    await database.pool.expire_connections()


async def test_a_database_that_can_only_be_read_is_not_ready(database: Database) -> None:
    check = WriteCheck(database)
    await set_read_only(database, "on")
    with pytest.raises(NotReady, match="can only be read"):
        await check.check()
    async with database.connection() as connection:
        await connection.execute("SET default_transaction_read_only = off")
        name = await connection.fetchval("SELECT quote_ident(current_database())")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    await database.pool.expire_connections()
    await check.check()


async def test_a_database_is_written_to_at_most_every_five_seconds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "VALID_SECONDS", 3600.0)  # a busy machine may take five between two checks
    check = WriteCheck(database)
    await check.check()
    written = await database.fetchval(WRITTEN)
    await check.check()
    assert await database.fetchval(WRITTEN) == written
