"""A database that the stream was not filled from: the relay publishes nothing until an operator decides."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from io import BytesIO

import asyncpg
import pytest
from eventing.__main__ import main
from eventing.database import Database
from eventing.relay.position import Server
from eventing.relay.progress import Progress
from eventing.relay.reread import NoCommonEvent, RelayRunning, start_restored
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.harness import migrated
from eventing.testing.jars import MIGRATIONS, Jar, project
from eventing.testing.label_model import LabelModel
from eventing.testing.relayed_store import RelayedStore, reason_for_stopping
from eventing.testing.relaying import open_jars, wait_until_saved
from onebox.testing.databases import Databases
from onebox.testing.unrooted import copied_postgres
from runtime.bus.jetstream import JetStream

pytestmark = pytest.mark.usefixtures("fast_relay", "fast_ordered_reads")


@pytest.fixture(scope="module")
def other_cluster(servers: None) -> Generator[Databases]:
    """Provide databases on a server whose cluster is not the shared one."""
    with copied_postgres("own") as server, Databases(server) as databases:
        yield databases


@pytest.fixture
async def relayed_store(other_cluster: Databases, js: JetStream) -> AsyncGenerator[RelayedStore]:
    """Provide a store in the other cluster, whose events a relay publishes."""
    async with migrated(other_cluster, "jar", MIGRATIONS, as_owner=True) as database:
        yield RelayedStore(PostgresStore(database, Jar.events, project), js)


async def advance_transactions(database: Database) -> None:
    """Use up transaction numbers, so that they are far ahead of those of the cluster that a dump is restored to."""
    one_by_one = "DO 'BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'"
    async with database.connection() as connection:
        await connection.execute(one_by_one)


async def restore_dump(from_: Database, to: Database) -> None:
    """Copy events and the relay's position as `pg_dump | psql` does."""
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


async def test_a_running_relay_stops_when_published_events_vanish(relayed_store: RelayedStore) -> None:
    await relayed_store.append(1, 2)
    async with relayed_store.relaying() as relay:
        await relayed_store.published(1, 2)
        await wait_until_saved(relay)

        async def restore_older() -> str | None:
            async with relayed_store.database.transaction() as connection:
                await connection.execute("DELETE FROM events WHERE originator_version = 2")
                await connection.execute("UPDATE relayed SET sequence = 1")
            return relay.progress.stopped

        await eventually(restore_older)  # again if the relay has just saved its position


async def test_a_dump_restored_in_another_cluster_resumes_and_loses_nothing(
    relayed_store: RelayedStore, foreign_store: RelayedStore
) -> None:
    await advance_transactions(foreign_store.database)
    await foreign_store.append(1, 2)
    await foreign_store.relay_until(1, 2)
    await foreign_store.append(3, 4)  # not published yet
    await restore_dump(foreign_store.database, relayed_store.database)
    await relayed_store.append(5)
    async with relayed_store.relaying() as relay:
        assert "in another cluster" in await reason_for_stopping(relay)
        done = await relayed_store.reread_when_stopped()
        assert (done.sequence, done.last, done.renumbered) == (2, 2, 1)
        await relayed_store.published(1, 2, 3, 4, 5)
        await relayed_store.append(6)
        await relayed_store.published(1, 2, 3, 4, 5, 6)


async def test_a_dump_is_noticed_without_the_identifier_of_the_cluster(
    relayed_store: RelayedStore, foreign_store: RelayedStore
) -> None:
    await foreign_store.append(1, 2)
    await advance_transactions(foreign_store.database)
    await foreign_store.append(3)
    await foreign_store.relay_until(1, 2, 3)
    await restore_dump(foreign_store.database, relayed_store.database)
    await relayed_store.database.execute("UPDATE relayed SET system = NULL")
    async with relayed_store.relaying() as relay:
        assert "restored from a dump" in await reason_for_stopping(relay)


async def test_the_newest_event_has_the_highest_transaction_however_many_digits(relayed_store: RelayedStore) -> None:
    await relayed_store.append(1, 2)
    for version, transaction in ((1, "999"), (2, "1000")):
        update = "UPDATE events SET tx = $1::text::xid8 WHERE originator_version = $2"
        await relayed_store.database.execute(update, transaction, version)
    assert (await Server.read(relayed_store.database)).newest == 1000


async def test_a_restored_database_fills_an_empty_stream_from_the_start(
    relayed_store: RelayedStore, foreign_store: RelayedStore, js: JetStream
) -> None:
    await foreign_store.append(1, 2)
    await foreign_store.relay_until(1, 2)
    await restore_dump(foreign_store.database, relayed_store.database)
    await js.delete_stream("EVT_JAR")
    await js.delete_stream("WORK_JAR")
    async with relayed_store.relaying() as relay:
        await reason_for_stopping(relay)
        await relayed_store.reread_when_stopped()
        await relayed_store.append(3)
        await relayed_store.published(1, 2, 3)


async def restore_with_an_empty_bus(
    saved: RelayedStore, restored: RelayedStore, labels: LabelModel, js: JetStream
) -> None:
    """Restore a database with three events, of which two were projected, and lose the bus."""
    await advance_transactions(saved.database)
    await open_jars(saved.store, 1, 2)
    async with saved.relaying(), labels.projecting():
        await labels.projected(1, 2)
    await open_jars(saved.store, 3)
    await restore_dump(saved.database, restored.database)
    await js.delete_stream("EVT_JAR")
    await js.delete_stream("WORK_JAR")


async def test_projectors_continue_after_a_restore_with_an_empty_bus(
    relayed_store: RelayedStore, foreign_store: RelayedStore, label_model: LabelModel, js: JetStream
) -> None:
    await restore_with_an_empty_bus(foreign_store, relayed_store, label_model, js)
    await open_jars(relayed_store.store, 4)
    async with relayed_store.relaying() as relay, label_model.projecting():
        await reason_for_stopping(relay)
        await relayed_store.reread_when_stopped()
        await open_jars(relayed_store.store, 5)
        await label_model.projected(1, 2, 3, 4, 5)


async def test_a_restored_service_that_has_not_run_continues_without_an_operator(
    relayed_store: RelayedStore, foreign_store: RelayedStore, label_model: LabelModel, js: JetStream
) -> None:
    await restore_with_an_empty_bus(foreign_store, relayed_store, label_model, js)
    await start_restored(relayed_store.database)
    async with relayed_store.relaying(), label_model.projecting():
        await open_jars(relayed_store.store, 4)
        await label_model.projected(1, 2, 3, 4)


async def test_a_repeated_reread_begins_no_further_generation(
    relayed_store: RelayedStore, foreign_store: RelayedStore
) -> None:
    await advance_transactions(foreign_store.database)
    await foreign_store.append(1, 2)
    await foreign_store.relay_until(1, 2)
    await restore_dump(foreign_store.database, relayed_store.database)
    assert (await relayed_store.reread()).renumbered == 0
    assert (await relayed_store.reread_when_stopped()).renumbered is None
    assert await relayed_store.database.fetchval("SELECT generation FROM relayed") == 1


async def test_nothing_is_published_to_the_stream_of_another_system(
    relayed_store: RelayedStore, foreign_store: RelayedStore, js: JetStream
) -> None:
    await foreign_store.append(1, 2)
    await foreign_store.relay_until(1, 2)
    await relayed_store.append(10)
    async with relayed_store.relaying() as relay:
        assert "or the stream belongs to another system" in await reason_for_stopping(relay)
        await relayed_store.published(1, 2)
    with pytest.raises(NoCommonEvent, match="remove the stream"):
        await relayed_store.reread_when_stopped()
    await js.delete_stream("EVT_JAR")
    await relayed_store.relay_until(10)


async def test_a_reread_is_refused_while_a_relay_runs(relayed_store: RelayedStore) -> None:
    async with relayed_store.relaying():
        await relayed_store.append(1)
        await relayed_store.published(1)
        with pytest.raises(RelayRunning):
            await relayed_store.reread()


async def test_the_reread_command_reports_its_result(
    relayed_store: RelayedStore, nats_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await relayed_store.append(1, 2)
    await relayed_store.relay_until(1, 2)
    monkeypatch.setenv("DATABASE_URL", relayed_store.database.url)
    monkeypatch.setenv("NATS_URL", nats_url)
    assert await asyncio.to_thread(main, ["reread", "jar"]) is None
    assert "continues after message 2" in capsys.readouterr().out
    assert "usage" in (main([]) or "")


async def test_an_ordinary_role_may_run_every_check_of_the_relay(relayed_store: RelayedStore) -> None:
    await relayed_store.append(1)
    async with relayed_store.database.connection() as connection:
        await connection.execute("CREATE ROLE plain; GRANT USAGE ON SCHEMA jar TO plain")
        await connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA jar TO plain; SET ROLE plain")
        assert (await Server.read(connection)).system
        await Progress().measure(connection, (0, 0))
        # Without the right to read it, the cluster's identifier is left out.
        await connection.execute(
            "RESET ROLE; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public; SET ROLE plain"
        )
        assert (await Server.read(connection)).system is None
