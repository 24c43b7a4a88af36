"""A start that cannot succeed ends soon, with one plain line that says what is wrong and how to fix it."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import asyncpg
import pytest
from contracts.catalogue import SERVICES
from eventing.testing.key_rings import ring_json
from onebox.children import allowed_environment
from onebox.nats import EmbeddedNats
from onebox.ports import ReservedPort
from onebox.postgres import EmbeddedPostgres
from onebox.testing.system import until
from onebox.testing.unrooted import copied_postgres

from tests.e2e.refusing import (
    nats_without_streams,
    old_nats,
    old_postgres,
    refusal_by_check,
    refusal_by_start,
)
from tests.e2e.user import PATIENCE

NOBODY = "127.0.0.1:1"
SOON = {"DEPENDENCY_WAIT_SECONDS": "1"}
"""For what does not come. By default, starts wait longer, for servers that are only slow."""
type Refused = Callable[..., str]


@pytest.fixture(params=[refusal_by_check, pytest.param(refusal_by_start, marks=pytest.mark.long)])
def refused(request: pytest.FixtureRequest) -> Refused:
    """Return what refuses servers: the check that every service has, and a start of the whole system."""
    refuse: Refused = request.param

    def checked(**environment: str) -> str:
        line = refuse(**environment)
        assert "secret" not in line
        return line

    return checked


@pytest.fixture(scope="module")
def guarded() -> Generator[EmbeddedPostgres]:
    """Start a PostgreSQL for this module, whose access rules a test may change."""
    with copied_postgres() as server:
        yield server


async def allow(server: EmbeddedPostgres, rule: str, role: str) -> None:
    """Create a role, and let it connect according to a line of `pg_hba.conf`."""
    rules = server.data / "pg_hba.conf"
    rules.write_text(f"{rule}\n{rules.read_text()}")
    connection = await asyncpg.connect(server.url)
    await connection.execute(f"DROP ROLE IF EXISTS {role.split()[0]}")
    await connection.execute(f"CREATE ROLE {role}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


def test_a_start_without_its_database_is_refused() -> None:
    line = refusal_by_start(DATABASE_URL=f"postgresql://me:plantedsecret@{NOBODY}/app", **SOON)
    assert "cannot start: DATABASE_URL=postgresql://127.0.0.1:1/app: cannot connect (Connection refused)" in line
    assert "Start PostgreSQL there, or correct DATABASE_URL." in line


async def test_a_wrong_database_password_is_reported(refused: Refused, guarded: EmbeddedPostgres) -> None:
    await allow(guarded, "local all stranger scram-sha-256", "stranger LOGIN PASSWORD 'right'")
    address = guarded.url.replace("//agentapi@", "//stranger:plantedsecret@")
    line = refused(DATABASE_URL=address)
    assert 'password authentication failed for user "stranger"' in line
    assert "Correct the user and the password in DATABASE_URL." in line


def test_a_missing_database_is_reported(refused: Refused, guarded: EmbeddedPostgres) -> None:
    line = refused(DATABASE_URL=guarded.url_of("nowhere"))
    assert f"DATABASE_URL=postgresql:///nowhere?host={guarded.data}" in line
    assert 'database "nowhere" does not exist. Create it' in line


async def test_a_database_user_who_may_not_create_a_schema_is_reported(
    refused: Refused, guarded: EmbeddedPostgres
) -> None:
    await allow(guarded, "local all guest trust", "guest LOGIN")
    line = refused(DATABASE_URL=guarded.url.replace("agentapi@", "guest@"))
    assert "Set MIGRATION_DATABASE_URL to the role that owns the database" in line


async def test_a_database_that_is_too_old_is_reported(refused: Refused) -> None:
    async with old_postgres() as url:
        line = await asyncio.to_thread(refused, DATABASE_URL=url)
    assert "this is PostgreSQL 13, but 14 or later is required. Upgrade it" in line


def test_an_unreachable_bus_is_reported(refused: Refused) -> None:
    line = refused(NATS_URL=f"nats://me:plantedsecret@{NOBODY}", **SOON)
    assert "NATS_URL=nats://127.0.0.1:1: cannot connect (Connection refused)" in line
    assert "Start NATS, or correct NATS_URL." in line


def test_wrong_bus_credentials_are_reported(refused: Refused, nats_server: EmbeddedNats) -> None:
    line = refused(NATS_URL=f"nats://identity:plantedsecret@{nats_server.url.rpartition('@')[2]}")
    assert "NATS rejected the credentials. Correct the user and the password in NATS_URL." in line


async def test_a_bus_that_is_too_old_is_reported(refused: Refused) -> None:
    async with old_nats() as url:
        line = await asyncio.to_thread(refused, NATS_URL=url)
    assert "the server is nats-server 2.10, but 2.12 or later is required. Upgrade it" in line


def test_a_bus_without_jetstream_is_reported(refused: Refused) -> None:
    lines = list[str]()
    with nats_without_streams() as url:  # a busy machine may not answer the last attempt in time, which is said then
        until(lambda: lines.append(refused(NATS_URL=url, **SOON)) or "timed out" not in lines[-1])
    assert "JetStream is not enabled (waited 1 s). Enable it: `nats-server -js`" in lines[-1]


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("DATABASE_URL", "postgresql://me:plantedsecret@[::1/app", "this is not a valid address"),
        ("NATS_URL", "nats://me:plantedsecret@127.0.0.1:port", "this is not a valid URL"),
    ],
)
def test_an_invalid_address_is_reported(refused: Refused, variable: str, value: str, reason: str) -> None:
    line = refused(**{variable: value})
    assert variable in line
    assert reason in line


@pytest.mark.long
@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("ADMIN_PASSWORD", "password1", "one of the most common passwords"),
        ("ADMIN_PASSWORD", "short", "at least 8 characters"),
        ("MODEL_BASE_URL", "http://me:plantedsecret@", "is not a URL"),
        ("MODEL_BASE_URL", "example.com", "must begin with"),
        ("PORT", "eighty", "whole number"),
        ("DATA_DIR", "/proc/sys", "Choose an"),  # another one; or, for root, an empty one
    ],
)
def test_a_start_with_an_invalid_value_is_refused(variable: str, value: str, reason: str) -> None:
    line = refusal_by_start(**{variable: value})
    assert variable in line
    assert reason in line
    assert "secret" not in line


@pytest.mark.long
def test_a_start_on_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        line = refusal_by_start(PORT=str(port))
    assert f"Port {port} is in use by another program. Stop that program, or choose another port" in line


@pytest.fixture
def free_port() -> Generator[int]:
    with ReservedPort() as port:
        yield port.number


@pytest.mark.parametrize("name", ["gateway", *(pytest.param(name, marks=pytest.mark.long) for name in SERVICES)])
def test_a_single_service_reports_an_unavailable_dependency_in_one_line(
    name: str, tmp_path: Path, database_url: str, free_port: int
) -> None:
    settings = {
        "NATS_URL": f"nats://me:plantedsecret@{NOBODY}",
        "DATABASE_URL": database_url,
        **SOON,
        "PORT": str(free_port),  # nothing listens on it before the dependencies are there
        "KEY_RING_FILE": str(tmp_path / "ring.json"),
        "WORKSPACES_DIR": str(tmp_path),
        "REPORTS_DIR": str(tmp_path),
        "SECRETS_KEYS": ring_json("test"),
        "MODEL_BASE_URL": "http://127.0.0.1:1",
    }
    ran = subprocess.run(
        [sys.executable, "-P", "-m", name],
        env=allowed_environment() | settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 69
    [line] = ran.stderr.splitlines()
    assert line.startswith(f"{name} cannot start: NATS_URL=nats://{NOBODY}: cannot connect")
    [waiting] = [line for line in ran.stdout.splitlines() if "waiting for a dependency" in line]
    assert "secret" not in ran.stdout + ran.stderr
    assert NOBODY in waiting
