"""A database that is not the one the stream was filled from: nothing is published until somebody says how to go on."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from contracts.messages import Event
from eventing import relay as module
from eventing.__main__ import main
from eventing.database import Database
from eventing.lag import Progress
from eventing.migrating import migrate
from eventing.patience import until_back
from eventing.places import Server
from eventing.postgres import PostgresStore
from eventing.relay import Relay
from eventing.reread import Busy, Reread, Strange, reread
from eventing.testing import background, eventually
from eventing.testing.following import append, headers, messages
from eventing.testing.jars import MIGRATIONS, Jar, project
from eventing.testing.messages import JarOpened, MarbleAdded
from nats.js import JetStreamContext
from onebox.postgres import EmbeddedPostgres
from prometheus_client import REGISTRY
from runtime.forever import forever
from runtime.health import NotReady

WORK: dict[type[Event], str] = {JarOpened: "jar-open"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.02)
    monkeypatch.setattr(module, "LOOK", 3)
    monkeypatch.setattr(module, "STOPPED", 0.05)


@pytest_asyncio.fixture
async def store(own_server: EmbeddedPostgres) -> AsyncGenerator[PostgresStore]:
    async with Database.open(own_server.url, "jar") as database:
        await migrate(database, MIGRATIONS)
        yield PostgresStore(database, Jar.facts, project)


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    return background(forever("relay", relay.run))


async def marbles(store: PostgresStore, *sizes: int) -> None:
    for size in sizes:
        await append(store, MarbleAdded(colour="blue", size=size))


async def sizes(js: JetStreamContext) -> list[int]:
    found = [message.data or b"" for message in await messages(js, "EVT_JAR")]
    return [MarbleAdded.model_validate_json(body).size for body in found]


async def told(js: JetStreamContext, *expected: int) -> None:
    last: list[int] = []

    async def as_expected() -> bool:
        last[:] = await sizes(js)
        return last == [*expected]

    try:
        await eventually(as_expected)
    except TimeoutError:
        raise AssertionError(f"in the stream: {last}") from None


async def stopped(relay: Relay) -> str:
    return await eventually(lambda: relay.progress.stopped)


async def copy(store: PostgresStore, server: EmbeddedPostgres, to: Path) -> None:
    """Take a copy of the database, as a standby has it that is a little behind; then go on."""
    stop(server)
    shutil.copytree(server.data, to)
    await start(store, server)


async def fail_over(store: PostgresStore, server: EmbeddedPostgres, copied: Path) -> None:
    """Go on with the copy: what was stored since is gone, and its transactions' numbers are given out again."""
    owner = server.data.stat()
    stop(server)
    shutil.rmtree(server.data)
    shutil.copytree(copied, server.data)
    for path in (server.data, *server.data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    await start(store, server)


async def start(store: PostgresStore, server: EmbeddedPostgres) -> None:
    server.start()
    await store.database.pool.expire_connections()
    await until_back(store.database)


def stop(server: EmbeddedPostgres) -> None:
    server.child.ask_to_stop()
    server.child.finish()


@pytest.fixture
def standby(open_folder: Path) -> Path:
    return open_folder / "standby"


async def publish(store: PostgresStore, js: JetStreamContext, *expected: int) -> None:
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        await told(js, *expected)
        await eventually(lambda: relay.noted and relay.noted.cursor == relay.cursor)


async def test_after_a_failover_that_lost_events_nothing_is_published_until_it_is_read_again(
    store: PostgresStore, js: JetStreamContext, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await marbles(store, 1, 2)
    await publish(store, js, 1, 2)
    await copy(store, own_server, standby)
    await marbles(store, 3, 4, 5)
    await publish(store, js, 1, 2, 3, 4, 5)
    await fail_over(store, own_server, standby)
    await marbles(store, 30, 40, 50, 60, 70)  # more transactions than were lost: its number is above the cursor again
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        assert "does not have the event of the last message of EVT_JAR" in await stopped(relay)
        with pytest.raises(NotReady, match="python -m eventing reread jar"):
            await relay.progress.check()
        assert REGISTRY.get_sample_value("relay_diverged") == 1
        await told(js, 1, 2, 3, 4, 5)
        done = await eventually(lambda: _reread(store, js))
        assert (done.sequence, done.last, done.renumbered) == (2, 5, 0)
        await told(js, 1, 2, 3, 4, 5, 30, 40, 50, 60, 70)
        await relay.progress.check()
        assert REGISTRY.get_sample_value("relay_diverged") == 0


async def _reread(store: PostgresStore, js: JetStreamContext) -> Reread | None:
    try:
        return await reread(store.database, js, "jar")
    except Busy:  # it is just looking
        return None


async def test_another_event_in_the_place_of_one_that_was_lost_is_no_duplicate(
    store: PostgresStore, js: JetStreamContext, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await marbles(store, 1)
    await publish(store, js, 1)
    await copy(store, own_server, standby)
    await marbles(store, 2)
    await publish(store, js, 1, 2)
    await fail_over(store, own_server, standby)
    await marbles(store, 20)
    await reread(store.database, js, "jar")
    await publish(store, js, 1, 2, 20)
    old, new = (await headers(js, "EVT_JAR"))[1:]
    assert (old["ce-id"], old["aggregate-version"]) == (new["ce-id"], new["aggregate-version"])


async def test_a_failover_that_lost_nothing_needs_nobody(
    store: PostgresStore, js: JetStreamContext, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await marbles(store, 1, 2)
    await publish(store, js, 1, 2)
    await copy(store, own_server, standby)
    await fail_over(store, own_server, standby)
    await marbles(store, 3)
    await publish(store, js, 1, 2, 3)


async def test_a_failover_under_a_running_relay_is_noticed_before_anything_is_published(
    store: PostgresStore, js: JetStreamContext, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await marbles(store, 1)
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        await told(js, 1)
        await copy(store, own_server, standby)
        await eventually(lambda: _append(store, 2))
        await told(js, 1, 2)
        await fail_over(store, own_server, standby)
        await eventually(lambda: _append(store, 20))
        await eventually(lambda: _append(store, 21))
        await stopped(relay)
        await told(js, 1, 2)


async def _append(store: PostgresStore, size: int) -> bool:
    try:
        await marbles(store, size)
    except Exception:  # noqa: BLE001  the server starts
        return False
    return True


async def test_events_that_vanish_under_a_running_relay_stop_it(
    store: PostgresStore, js: JetStreamContext, own_server: EmbeddedPostgres
) -> None:
    await marbles(store, 1, 2)
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        await told(js, 1, 2)
        await eventually(lambda: relay.noted and relay.noted.cursor == relay.cursor)
        async with store.database.transaction() as connection:  # a dump from before is put in place
            await connection.execute("DELETE FROM events WHERE originator_version = 2")
            await connection.execute("UPDATE relayed SET sequence = 1")
        await stopped(relay)


async def test_a_dump_in_another_cluster_goes_on_where_it_was_and_loses_nothing(
    store: PostgresStore, js: JetStreamContext, database: Database
) -> None:
    there = PostgresStore(database, Jar.facts, project)
    async with there.database.connection() as connection:
        for _ in range(3000):  # its transactions are far ahead of those of the cluster that it is restored to
            await connection.execute("SELECT pg_current_xact_id()")
    await marbles(there, 1, 2)
    await publish(there, js, 1, 2)
    await marbles(there, 3, 4)  # not published yet
    await _restore(there.database, store.database)
    await marbles(store, 5)
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        assert "in another cluster" in await stopped(relay)
        done = await eventually(lambda: _reread(store, js))
        assert (done.sequence, done.last, done.renumbered) == (2, 2, 4)
        await told(js, 1, 2, 3, 4, 5)
        await marbles(store, 6)
        await told(js, 1, 2, 3, 4, 5, 6)


async def test_a_dump_is_noticed_where_the_cluster_may_not_be_asked_for_its_identifier(
    store: PostgresStore, js: JetStreamContext, database: Database
) -> None:
    there = PostgresStore(database, Jar.facts, project)
    await marbles(there, 1, 2)
    async with there.database.connection() as connection:
        for _ in range(3000):
            await connection.execute("SELECT pg_current_xact_id()")
    await marbles(there, 3)
    await publish(there, js, 1, 2, 3)
    await _restore(there.database, store.database)
    await store.database.execute("UPDATE relayed SET system = NULL")
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        assert "a dump's" in await stopped(relay)


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
    store: PostgresStore, js: JetStreamContext, database: Database
) -> None:
    there = PostgresStore(database, Jar.facts, project)
    await marbles(there, 1, 2)
    await publish(there, js, 1, 2)
    await _restore(there.database, store.database)
    await js.delete_stream("EVT_JAR")
    await js.delete_stream("WORK_JAR")
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        await stopped(relay)
        await eventually(lambda: _reread(store, js))
        await marbles(store, 3)
        await told(js, 1, 2, 3)


async def test_the_stream_of_another_system_is_not_written_to(
    store: PostgresStore, js: JetStreamContext, database: Database
) -> None:
    await marbles(PostgresStore(database, Jar.facts, project), 1, 2)
    await publish(PostgresStore(database, Jar.facts, project), js, 1, 2)
    await marbles(store, 10)
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        assert "or the stream is of another system" in await stopped(relay)
        await told(js, 1, 2)
    with pytest.raises(Strange, match="remove the stream"):
        await reread(store.database, js, "jar")
    await js.delete_stream("EVT_JAR")
    await publish(store, js, 10)


async def test_reading_again_is_refused_while_a_relay_is_at_work(store: PostgresStore, js: JetStreamContext) -> None:
    async with running(Relay(store, js, "jar", work=WORK)):
        await marbles(store, 1)
        await told(js, 1)
        with pytest.raises(Busy):
            await reread(store.database, js, "jar")


async def test_reading_again_twice_publishes_nothing_twice(
    store: PostgresStore, js: JetStreamContext, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await marbles(store, *range(10))
    await publish(store, js, *range(10))
    await copy(store, own_server, standby)
    await marbles(store, 10, 11)
    await publish(store, js, *range(12))
    await fail_over(store, own_server, standby)
    await marbles(store, 20)
    assert (await reread(store.database, js, "jar")).sequence == 10
    await reread(store.database, js, "jar")
    await publish(store, js, *range(12), 20)
    await reread(store.database, js, "jar")
    await publish(store, js, *range(12), 20)


async def test_the_command_says_what_it_did(
    store: PostgresStore,
    js: JetStreamContext,
    nats_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await marbles(store, 1, 2)
    await publish(store, js, 1, 2)
    monkeypatch.setenv("DATABASE_URL", store.database.url)
    monkeypatch.setenv("NATS_URL", nats_url)
    assert await asyncio.to_thread(main, ["reread", "jar"]) is None
    assert "goes on behind message 2" in capsys.readouterr().out
    assert "usage" in (main([]) or "")


async def test_an_ordinary_role_may_ask_all_of_it_and_the_identifier_is_left_out_where_it_may_not(
    store: PostgresStore, js: JetStreamContext
) -> None:
    await marbles(store, 1)
    async with store.database.connection() as connection:
        await connection.execute("CREATE ROLE plain; GRANT USAGE ON SCHEMA jar TO plain")
        await connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA jar TO plain; SET ROLE plain")
        assert (await Server.ask(connection)).system
        await Progress().measure(connection, (0, 0))
        await connection.execute(
            "RESET ROLE; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public; SET ROLE plain"
        )
        assert (await Server.ask(connection)).system is None
