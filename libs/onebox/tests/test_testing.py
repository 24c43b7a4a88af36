# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from pathlib import Path

import asyncpg
import nats
import pytest
from onebox.nats import EmbeddedNats
from onebox.testing import SERVER
from onebox.testing.buses import ACCOUNTS, Buses
from onebox.testing.databases import Databases
from onebox.testing.folders import usable
from onebox.testing.system import until

from libs.onebox.tests.nested import run_pytest


async def _create_table(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE sample (id int)")
    await connection.close()


async def _has_table(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT to_regclass('sample') IS NOT NULL")
    finally:
        await connection.close()


async def test_a_fresh_database_is_empty(database_url: str) -> None:
    assert not await _has_table(database_url)


async def test_a_copy_has_the_tables_of_its_template(databases: Databases) -> None:
    template = await databases.template("with table", _create_table)
    async with databases.fresh(template) as url:
        assert await _has_table(url)


async def test_a_template_is_filled_once(databases: Databases) -> None:
    filled: list[str] = []

    async def fill(url: str) -> None:
        filled.append(url)

    assert await databases.template("counted", fill) == await databases.template("counted", fill)
    assert len(filled) == 1


async def test_a_database_is_dropped_despite_open_connections(databases: Databases) -> None:
    async with databases.fresh() as url:
        connection = await asyncpg.connect(url)
    connection.terminate()


async def _streams(url: str) -> int:
    client = await nats.connect(url)
    try:
        return len(await client.jetstream(timeout=60).streams_info())
    finally:
        await client.close()


async def _add_stream(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream(timeout=60).add_stream(name="events", subjects=["evt.>"])
    await client.close()


@pytest.fixture(scope="module")
def new_buses(servers: None) -> Generator[Buses]:
    """Buses of one server: those of other tests are on another one when its accounts run out."""
    with Buses() as buses:
        yield buses


async def test_buses_do_not_share_streams(new_buses: Buses) -> None:
    one, other = new_buses.fresh(), new_buses.fresh()
    await _add_stream(one)
    assert (await _streams(one), await _streams(other)) == (1, 0)


async def test_buses_do_not_share_messages(new_buses: Buses) -> None:
    one, other = await nats.connect(new_buses.fresh()), await nats.connect(new_buses.fresh())
    subscription = await other.subscribe(">")
    await other.flush()
    await one.publish("subject", b"of one")
    await one.flush()
    await other.publish("subject", b"of the other")
    assert (await subscription.next_msg(60)).data == b"of the other"
    await one.close()
    await other.close()


async def test_a_new_server_is_started_when_accounts_run_out() -> None:
    with Buses() as buses:
        urls = {buses.fresh() for _ in range(ACCOUNTS + 1)}
        last = buses.fresh()
        await _add_stream(last)
    assert len({*urls, last}) == ACCOUNTS + 2


def test_a_test_with_its_own_server_gets_the_bus_of_that(nats_url: str, nats_server: EmbeddedNats) -> None:
    assert nats_url == nats_server.url


def test_a_noexec_folder_is_not_usable_for_servers() -> None:
    assert not usable(Path("/proc"))


def test_a_missing_folder_is_not_usable_for_servers(tmp_path: Path) -> None:
    assert not usable(tmp_path / "none")


async def test_a_test_that_uses_a_server_indirectly_is_marked(
    request: pytest.FixtureRequest, database_url: str
) -> None:
    assert request.node.get_closest_marker(SERVER)


def test_a_test_without_a_server_is_not_marked(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker(SERVER)


UNMARKED = """
def test_one(request):
    request.getfixturevalue("nats_url")
"""


@pytest.mark.usefixtures("servers")
def test_an_unmarked_test_fails_if_it_requests_a_server(tmp_path: Path) -> None:
    (tmp_path / "test_unmarked.py").write_text(UNMARKED)
    ran = run_pytest(tmp_path, "-p", "onebox.testing", "-m", f"not {SERVER}")
    assert "This test needs a server but is not marked" in ran.stdout


FAILING = """
import json, pytest
from onebox.testing.system import System

@pytest.fixture
def some_system():
    with System() as system:
        logs = system.data_dir / "logs"
        logs.mkdir(parents=True)
        (logs / "session.log").write_text(json.dumps({"event": "no model", "level": "error"}))
        yield system

def test_of_a_system(some_system):
    raise LookupError

def test_of_nothing():
    raise LookupError

def test_that_passes(some_system):
    assert not System.opened - {some_system}
"""


@pytest.mark.usefixtures("servers")
def test_a_failed_test_shows_what_the_services_of_its_system_complained_of(tmp_path: Path) -> None:
    (tmp_path / "test_failing.py").write_text(FAILING)
    ran = run_pytest(tmp_path, "-p", "onebox.testing.failures")
    assert "2 failed, 1 passed" in ran.stdout
    assert ran.stdout.count("session: error: no model") == 1


@pytest.mark.parametrize("value", [None, 0, []])
def test_a_condition_that_stays_false_is_shown_with_its_result(value: object) -> None:
    with pytest.raises(AssertionError) as raised:
        until(lambda: value, 0)
    assert str(raised.value) == f"after 0 s the result is still {value!r}: until(lambda: value, 0)"
