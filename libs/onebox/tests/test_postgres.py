import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest
from onebox.errors import CannotStart
from onebox.folder import DataFolder
from onebox.postgres import NOT_DURABLE, EmbeddedPostgres
from onebox.testing.folders import temporary_folder
from onebox.testing.running import running
from onebox.testing.system import has_ended, until
from onebox.testing.unrooted import PostgresForTests, can_start, copy_cluster

pytestmark = pytest.mark.usefixtures("servers")
PARENT = """
import sys, time
from pathlib import Path
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.postgres import NOT_DURABLE
from onebox.testing.unrooted import PostgresForTests
folder = DataFolder(Path(sys.argv[1]))
servers = PostgresForTests(folder, options=NOT_DURABLE), EmbeddedNats(folder)
for server in servers:
    server.start()
print(*(server.child.pid for server in servers), flush=True)
time.sleep(60)
"""

# Switches to another account after all imports, since that account may not be able to read the code.
AS_NOBODY = """
import os, pwd, asyncpg, asyncio.runners
nobody = pwd.getpwnam("nobody")
os.setgroups([]); os.setresgid(*[nobody.pw_gid] * 3); os.setresuid(*[nobody.pw_uid] * 3)
"""


@pytest.fixture
def serve(folder: DataFolder) -> Generator[Callable[[], EmbeddedPostgres]]:
    """Yield a function that starts a server in the folder; the server is stopped on exit."""
    copy_cluster(folder.path / "postgres")
    with ExitStack() as stack:

        def start() -> EmbeddedPostgres:
            server = PostgresForTests(folder, options=NOT_DURABLE)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture(scope="module")
def restarted(servers: None) -> Generator[EmbeddedPostgres]:
    """Yield a server that was stopped, changed in several ways, and started again; tests must leave it running."""
    with temporary_folder() as path:
        folder = DataFolder(path / "data")
        copy_cluster(folder.path / "postgres")
        server = PostgresForTests(folder, options=NOT_DURABLE)
        server.start()
        asyncio.run(ask(server.url, "CREATE TABLE kept (id int)"))
        asyncio.run(ask(server.url, "DROP ROLE agentapi_service"))
        server.stop()
        (server.data / "agentapi.service-role").unlink()
        (server.data / "pg_hba.conf").write_text("local all all trust\n")
        with running(folder, PostgresForTests(folder, options=NOT_DURABLE)) as again:
            yield again


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_the_server_answers(postgres: EmbeddedPostgres) -> None:
    assert await ask(postgres.url, "SELECT 1") == 1


async def test_the_locale_handles_letters_beyond_ascii(postgres: EmbeddedPostgres) -> None:
    assert await ask(postgres.url, "SELECT lower('ÄÖÜ')") == "äöü"


async def test_other_users_may_not_enter_the_folder_of_the_socket(postgres: EmbeddedPostgres) -> None:
    assert postgres.data.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to switch the account")
async def test_another_account_with_access_to_the_socket_is_rejected(restarted: EmbeddedPostgres) -> None:
    for folder in (restarted.data, restarted.data.parent):
        folder.chmod(0o711)
    program = f"import asyncio, asyncpg; asyncio.run(asyncpg.connect({restarted.url!r}))"
    done = subprocess.run(  # noqa: S603, ASYNC221  no shell
        [sys.executable, "-c", AS_NOBODY + program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert 'Peer authentication failed for user "agentapi"' in done.stderr


async def test_starting_the_server_restores_the_access_rules(restarted: EmbeddedPostgres) -> None:
    methods = "SELECT string_agg(auth_method, ',') FROM pg_hba_file_rules"
    assert await ask(restarted.url, methods) == "peer"


async def test_the_server_listens_on_no_port(postgres: EmbeddedPostgres) -> None:
    assert await ask(postgres.url, "SHOW listen_addresses") == ""


async def test_the_log_does_not_contain_values_of_failed_statements(restarted: EmbeddedPostgres) -> None:
    await ask(restarted.url, "CREATE TABLE users (email text UNIQUE)")
    for _ in range(2):
        with contextlib.suppress(asyncpg.UniqueViolationError):
            await ask(restarted.url, "INSERT INTO users VALUES ('ada@example.com')")
    log = restarted.child.log.read_text()
    assert "duplicate key value" in log
    assert "ada@" not in log


async def test_data_is_kept_across_a_restart(restarted: EmbeddedPostgres) -> None:
    assert await ask(restarted.url, "SELECT count(*) FROM kept") == 0


async def test_the_role_of_the_services_owns_nothing(postgres: EmbeddedPostgres) -> None:
    powers = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert await ask(postgres.service_url, powers) is False
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(postgres.service_url, "CREATE SCHEMA mine")


async def test_a_cluster_of_an_earlier_release_gets_the_role_of_the_services(restarted: EmbeddedPostgres) -> None:
    assert await ask(restarted.service_url, "SELECT current_user") == "agentapi_service"


async def test_a_killed_server_can_be_restarted(serve: Callable[[], EmbeddedPostgres]) -> None:
    server = serve()
    os.kill(server.child.pid or 0, signal.SIGKILL)
    until(lambda: not server.child.running())
    until(lambda: can_start(server))
    assert await ask(server.url, "SELECT 1") == 1


async def test_a_folder_with_a_path_too_long_for_a_socket_works(open_folder: Path) -> None:
    folder = DataFolder(open_folder / ("deep" * 20) / "data")
    copy_cluster(folder.path / "postgres")
    server = PostgresForTests(folder, options=NOT_DURABLE)
    try:
        assert await ask(server.start(), "SELECT 1") == 1
    finally:
        server.stop()
        folder.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_the_servers_end_when_their_parent_is_killed(open_folder: Path) -> None:
    copy_cluster(open_folder / "postgres")
    command = [sys.executable, "-c", PARENT, str(open_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603  no shell
        servers = [int(pid) for pid in (parent.stdout or sys.stdin).readline().split()]
        parent.send_signal(signal.SIGKILL)
    until(lambda: len(servers) == 2 and all(map(has_ended, servers)))


def test_a_folder_that_is_not_a_database_is_refused(folder: DataFolder) -> None:
    (folder.path / "postgres").mkdir()
    with pytest.raises(CannotStart, match="is not a PostgreSQL database, or is damaged"):
        EmbeddedPostgres(folder)


def test_a_database_of_an_unreadable_version_is_refused(folder: DataFolder) -> None:
    (folder.path / "postgres").mkdir()
    (folder.path / "postgres" / "PG_VERSION").write_text("garbage")
    with pytest.raises(CannotStart, match=r"cannot read its PG_VERSION.*choose another DATA_DIR"):
        EmbeddedPostgres(folder)


def test_a_database_of_another_version_is_refused_with_both_versions(folder: DataFolder) -> None:
    (folder.path / "postgres").mkdir()
    (folder.path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(CannotStart, match=r"created by PostgreSQL 12, .*found: PostgreSQL \d+.*set PG_BINDIR"):
        EmbeddedPostgres(folder)


def test_a_damaged_database_is_refused_with_the_end_of_the_log(serve: Callable[[], EmbeddedPostgres]) -> None:
    server = serve()
    server.stop()
    (server.data / "global" / "pg_control").write_bytes(b"garbage")
    with pytest.raises(CannotStart, match=r"did not start with the data in .*damaged[^$]*postgres.log:"):
        serve()


def test_a_server_that_is_too_old_is_refused(folder: DataFolder, fake_program: Path) -> None:
    with pytest.raises(CannotStart, match=r"PostgreSQL 14 or later is required \(found: PostgreSQL 2\.10"):
        EmbeddedPostgres(folder, bindir=fake_program.parent)


def test_a_pg_bindir_without_a_server_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"PG_BINDIR=.* does not contain a working PostgreSQL"):
        EmbeddedPostgres(folder, bindir=tmp_path)
