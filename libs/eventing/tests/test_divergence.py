"""A database that is not the one the stream was filled from: nothing is published until somebody says how to go on."""

import asyncio
from io import BytesIO

import asyncpg
import pytest
from eventing import relay as module
from eventing.__main__ import main
from eventing.database import Database
from eventing.postgres import PostgresStore
from eventing.progress import Progress
from eventing.relay import Relay
from eventing.relay_position import Server
from eventing.reread import NoCommonEvent, RelayRunning, reread
from eventing.testing import eventually
from eventing.testing.jars import Jar, project
from eventing.testing.relaying import (
    WORK,
    append_marbles,
    relay_until,
    reread_when_unlocked,
    running,
    wait_for_marbles,
    wait_until_stopped,
)
from onebox.postgres import EmbeddedPostgres
from runtime.jetstream import JetStream


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "CHECK_EVERY_POLLS", 3)
    monkeypatch.setattr(module, "STOPPED_RETRY_SECONDS", 0.05)


async def test_events_that_vanish_under_a_running_relay_stop_it(
    store_apart: PostgresStore, js: JetStream, own_server: EmbeddedPostgres
) -> None:
    await append_marbles(store_apart, 1, 2)
    async with running(relay := Relay(store_apart, js, "jar", work=WORK)):
        await wait_for_marbles(js, 1, 2)
        await eventually(lambda: relay.saved_position and relay.saved_position.cursor == relay.cursor)
        async with store_apart.database.transaction() as connection:  # a dump from before is put in place
            await connection.execute("DELETE FROM events WHERE originator_version = 2")
            await connection.execute("UPDATE relayed SET sequence = 1")
        await wait_until_stopped(relay)


async def test_a_dump_in_another_cluster_goes_on_where_it_was_and_loses_nothing(
    store_apart: PostgresStore, js: JetStream, database: Database
) -> None:
    there = PostgresStore(database, Jar.events, project)
    async with there.database.connection() as connection:
        for _ in range(3000):  # its transactions are far ahead of those of the cluster that it is restored to
            await connection.execute("SELECT pg_current_xact_id()")
    await append_marbles(there, 1, 2)
    await relay_until(there, js, 1, 2)
    await append_marbles(there, 3, 4)  # not published yet
    await _restore(there.database, store_apart.database)
    await append_marbles(store_apart, 5)
    async with running(relay := Relay(store_apart, js, "jar", work=WORK)):
        assert "in another cluster" in await wait_until_stopped(relay)
        done = await eventually(lambda: reread_when_unlocked(store_apart, js))
        assert (done.sequence, done.last, done.renumbered) == (2, 2, 4)
        await wait_for_marbles(js, 1, 2, 3, 4, 5)
        await append_marbles(store_apart, 6)
        await wait_for_marbles(js, 1, 2, 3, 4, 5, 6)


async def test_a_dump_is_noticed_where_the_cluster_may_not_be_asked_for_its_identifier(
    store_apart: PostgresStore, js: JetStream, database: Database
) -> None:
    there = PostgresStore(database, Jar.events, project)
    await append_marbles(there, 1, 2)
    async with there.database.connection() as connection:
        for _ in range(3000):
            await connection.execute("SELECT pg_current_xact_id()")
    await append_marbles(there, 3)
    await relay_until(there, js, 1, 2, 3)
    await _restore(there.database, store_apart.database)
    await store_apart.database.execute("UPDATE relayed SET system = NULL")
    async with running(relay := Relay(store_apart, js, "jar", work=WORK)):
        assert "restored from a dump" in await wait_until_stopped(relay)


async def _restore(from_: Database, to: Database) -> None:
    """Do what `pg_dump | psql` does."""
    source, target = await asyncpg.connect(from_.url), await asyncpg.connect(to.url)
    try:
        for table in ("events", "relayed"):
            rows = BytesIO()
            await source.copy_from_table(table, schema_name="jar", output=rows)
            rows.seek(0)
            await target.copy_to_table(table, schema_name="jar", source=rows)
        position = await source.fetchval("SELECT max(position) FROM jar.events")
        sequence = await target.fetchval("SELECT pg_get_serial_sequence('jar.events', 'position')")
        await target.execute("SELECT setval($1::text::regclass, $2)", sequence, position)
    finally:
        await source.close()
        await target.close()


async def test_a_restored_database_with_an_empty_bus_is_published_from_its_start(
    store_apart: PostgresStore, js: JetStream, database: Database
) -> None:
    there = PostgresStore(database, Jar.events, project)
    await append_marbles(there, 1, 2)
    await relay_until(there, js, 1, 2)
    await _restore(there.database, store_apart.database)
    await js.delete_stream("EVT_JAR")
    await js.delete_stream("WORK_JAR")
    async with running(relay := Relay(store_apart, js, "jar", work=WORK)):
        await wait_until_stopped(relay)
        await eventually(lambda: reread_when_unlocked(store_apart, js))
        await append_marbles(store_apart, 3)
        await wait_for_marbles(js, 1, 2, 3)


async def test_the_stream_of_another_system_is_not_written_to(
    store_apart: PostgresStore, js: JetStream, database: Database
) -> None:
    await append_marbles(PostgresStore(database, Jar.events, project), 1, 2)
    await relay_until(PostgresStore(database, Jar.events, project), js, 1, 2)
    await append_marbles(store_apart, 10)
    async with running(relay := Relay(store_apart, js, "jar", work=WORK)):
        assert "or the stream belongs to another system" in await wait_until_stopped(relay)
        await wait_for_marbles(js, 1, 2)
    with pytest.raises(NoCommonEvent, match="remove the stream"):
        await reread(store_apart.database, js, "jar")
    await js.delete_stream("EVT_JAR")
    await relay_until(store_apart, js, 10)


async def test_reading_again_is_refused_while_a_relay_is_at_work(store_apart: PostgresStore, js: JetStream) -> None:
    async with running(Relay(store_apart, js, "jar", work=WORK)):
        await append_marbles(store_apart, 1)
        await wait_for_marbles(js, 1)
        with pytest.raises(RelayRunning):
            await reread(store_apart.database, js, "jar")


async def test_the_command_says_what_it_did(
    store_apart: PostgresStore,
    js: JetStream,
    nats_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await append_marbles(store_apart, 1, 2)
    await relay_until(store_apart, js, 1, 2)
    monkeypatch.setenv("DATABASE_URL", store_apart.database.url)
    monkeypatch.setenv("NATS_URL", nats_url)
    assert await asyncio.to_thread(main, ["reread", "jar"]) is None
    assert "continues after message 2" in capsys.readouterr().out
    assert "usage" in (main([]) or "")


async def test_an_ordinary_role_may_ask_all_of_it_and_the_identifier_is_left_out_where_it_may_not(
    store_apart: PostgresStore, js: JetStream
) -> None:
    await append_marbles(store_apart, 1)
    async with store_apart.database.connection() as connection:
        await connection.execute("CREATE ROLE plain; GRANT USAGE ON SCHEMA jar TO plain")
        await connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA jar TO plain; SET ROLE plain")
        assert (await Server.read(connection)).system
        await Progress().measure(connection, (0, 0))
        await connection.execute(
            "RESET ROLE; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public; SET ROLE plain"
        )
        assert (await Server.read(connection)).system is None
