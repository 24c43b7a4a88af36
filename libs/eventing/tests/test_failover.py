"""A failover to a standby that was a little behind: what it does to the relay."""

import os
import shutil
from pathlib import Path

import pytest
from eventing import relay as module
from eventing.postgres import PostgresStore
from eventing.relay import Relay
from eventing.reread import reread
from eventing.retrying import wait_until_available
from eventing.testing import eventually
from eventing.testing.following import headers
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
from prometheus_client import REGISTRY
from runtime.health import NotReady
from runtime.jetstream import JetStream


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "CHECK_EVERY_POLLS", 3)
    monkeypatch.setattr(module, "STOPPED_RETRY_SECONDS", 0.05)


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
    await wait_until_available(store.database)


def stop(server: EmbeddedPostgres) -> None:
    server.child.ask_to_stop()
    server.child.finish()


@pytest.fixture
def standby(open_folder: Path) -> Path:
    return open_folder / "standby"


async def _append(store: PostgresStore, size: int) -> bool:
    try:
        await append_marbles(store, size)
    except Exception:  # noqa: BLE001  the server starts
        return False
    return True


async def test_after_a_failover_that_lost_events_nothing_is_published_until_it_is_read_again(
    store_apart: PostgresStore, js: JetStream, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await append_marbles(store_apart, 1, 2)
    await relay_until(store_apart, js, 1, 2)
    await copy(store_apart, own_server, standby)
    await append_marbles(store_apart, 3, 4, 5)
    await relay_until(store_apart, js, 1, 2, 3, 4, 5)
    await fail_over(store_apart, own_server, standby)
    await append_marbles(
        store_apart, 30, 40, 50, 60, 70
    )  # more transactions than were lost: its number is above the cursor again
    async with running(relay := Relay(store_apart, js, "jar", work=WORK)):
        assert "does not have the event of the last message of EVT_JAR" in await wait_until_stopped(relay)
        with pytest.raises(NotReady, match="python -m eventing reread jar"):
            await relay.progress.check()
        assert REGISTRY.get_sample_value("relay_diverged") == 1
        await wait_for_marbles(js, 1, 2, 3, 4, 5)
        done = await eventually(lambda: reread_when_unlocked(store_apart, js))
        assert (done.sequence, done.last, done.renumbered) == (2, 5, 0)
        await wait_for_marbles(js, 1, 2, 3, 4, 5, 30, 40, 50, 60, 70)
        await relay.progress.check()
        assert REGISTRY.get_sample_value("relay_diverged") == 0


async def test_another_event_in_the_place_of_one_that_was_lost_is_no_duplicate(
    store_apart: PostgresStore, js: JetStream, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await append_marbles(store_apart, 1)
    await relay_until(store_apart, js, 1)
    await copy(store_apart, own_server, standby)
    await append_marbles(store_apart, 2)
    await relay_until(store_apart, js, 1, 2)
    await fail_over(store_apart, own_server, standby)
    await append_marbles(store_apart, 20)
    await reread(store_apart.database, js, "jar")
    await relay_until(store_apart, js, 1, 2, 20)
    old, new = (await headers(js, "EVT_JAR"))[1:]
    assert (old["ce-id"], old["aggregate-version"]) == (new["ce-id"], new["aggregate-version"])


async def test_a_failover_that_lost_nothing_needs_nobody(
    store_apart: PostgresStore, js: JetStream, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await append_marbles(store_apart, 1, 2)
    await relay_until(store_apart, js, 1, 2)
    await copy(store_apart, own_server, standby)
    await fail_over(store_apart, own_server, standby)
    await append_marbles(store_apart, 3)
    await relay_until(store_apart, js, 1, 2, 3)


async def test_a_failover_under_a_running_relay_is_noticed_before_anything_is_published(
    store_apart: PostgresStore, js: JetStream, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await append_marbles(store_apart, 1)
    async with running(relay := Relay(store_apart, js, "jar", work=WORK)):
        await wait_for_marbles(js, 1)
        await copy(store_apart, own_server, standby)
        await eventually(lambda: _append(store_apart, 2))
        await wait_for_marbles(js, 1, 2)
        await fail_over(store_apart, own_server, standby)
        await eventually(lambda: _append(store_apart, 20))
        await eventually(lambda: _append(store_apart, 21))
        await wait_until_stopped(relay)
        await wait_for_marbles(js, 1, 2)


async def test_reading_again_twice_publishes_nothing_twice(
    store_apart: PostgresStore, js: JetStream, own_server: EmbeddedPostgres, standby: Path
) -> None:
    await append_marbles(store_apart, *range(10))
    await relay_until(store_apart, js, *range(10))
    await copy(store_apart, own_server, standby)
    await append_marbles(store_apart, 10, 11)
    await relay_until(store_apart, js, *range(12))
    await fail_over(store_apart, own_server, standby)
    await append_marbles(store_apart, 20)
    assert (await reread(store_apart.database, js, "jar")).sequence == 10
    await reread(store_apart.database, js, "jar")
    await relay_until(store_apart, js, *range(12), 20)
    await reread(store_apart.database, js, "jar")
    await relay_until(store_apart, js, *range(12), 20)
