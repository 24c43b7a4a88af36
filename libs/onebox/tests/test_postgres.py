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
from onebox.folder import DataFolder
from onebox.postgres import FORGETFUL, EmbeddedPostgres
from onebox.testing.system import gone, until
from onebox.testing.unrooted import PostgresForTests
from onebox.trouble import CannotStart

pytestmark = pytest.mark.usefixtures("servers")
PARENT = """
import sys, time
from pathlib import Path
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.postgres import FORGETFUL
from onebox.testing.unrooted import PostgresForTests
folder = DataFolder(Path(sys.argv[1]))
servers = PostgresForTests(folder, options=FORGETFUL), EmbeddedNats(folder)
for server in servers:
    server.start()
print(*(server.child.pid for server in servers), flush=True)
time.sleep(60)
"""

# Becomes another account with everything loaded: it may not be able to read the code.
STRANGER = """
import os, pwd, asyncpg, asyncio.runners
nobody = pwd.getpwnam("nobody")
os.setgroups([]); os.setresgid(*[nobody.pw_gid] * 3); os.setresuid(*[nobody.pw_uid] * 3)
"""


@pytest.fixture
def serve(folder: DataFolder) -> Generator[Callable[[], EmbeddedPostgres]]:
    """Start a server on the folder; it is stopped in the end."""
    with ExitStack() as held:

        def started() -> EmbeddedPostgres:
            server = PostgresForTests(folder, options=FORGETFUL)
            held.callback(server.stop)
            server.start()
            return server

        yield started


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_it_answers(postgres: EmbeddedPostgres) -> None:
    assert await ask(postgres.url, "SELECT 1") == 1


async def test_it_knows_letters_beyond_ascii(postgres: EmbeddedPostgres) -> None:
    assert await ask(postgres.url, "SELECT lower('ÄÖÜ')") == "äöü"


async def test_its_socket_is_closed_to_other_users(postgres: EmbeddedPostgres) -> None:
    assert postgres.data.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another account")
async def test_another_account_that_gets_to_its_socket_is_refused(serve: Callable[[], EmbeddedPostgres]) -> None:
    server = serve()
    for folder in (server.data, server.data.parent):
        folder.chmod(0o711)
    program = f"import asyncio, asyncpg; asyncio.run(asyncpg.connect({server.url!r}))"
    said = subprocess.run(  # noqa: S603, ASYNC221  our own
        [sys.executable, "-c", STRANGER + program], capture_output=True, text=True, check=False, cwd="/"
    )
    assert 'Peer authentication failed for user "agentapi"' in said.stderr


async def test_a_database_that_trusted_everybody_no_longer_does(serve: Callable[[], EmbeddedPostgres]) -> None:
    server = serve()
    server.stop()
    (server.data / "pg_hba.conf").write_text("local all all trust\n")
    methods = "SELECT string_agg(auth_method, ',') FROM pg_hba_file_rules"
    assert await ask(serve().url, methods) == "peer"


async def test_it_listens_on_no_port(postgres: EmbeddedPostgres) -> None:
    assert await ask(postgres.url, "SHOW listen_addresses") == ""


async def test_its_log_holds_nothing_of_what_a_failed_statement_was_about(
    serve: Callable[[], EmbeddedPostgres],
) -> None:
    server = serve()
    await ask(server.url, "CREATE TABLE users (email text UNIQUE)")
    for _ in range(2):
        with contextlib.suppress(asyncpg.UniqueViolationError):
            await ask(server.url, "INSERT INTO users VALUES ('ada@example.com')")
    log = server.child.log.read_text()
    assert "duplicate key value" in log
    assert "ada@" not in log


async def test_it_keeps_its_data_over_a_restart(serve: Callable[[], EmbeddedPostgres]) -> None:
    server = serve()
    await ask(server.url, "CREATE TABLE kept (id int)")
    server.stop()
    assert await ask(serve().url, "SELECT count(*) FROM kept") == 0


async def test_it_comes_back_after_it_was_killed(serve: Callable[[], EmbeddedPostgres]) -> None:
    server = serve()
    os.kill(server.child.pid or 0, signal.SIGKILL)
    until(lambda: not server.child.running())
    until(lambda: _starts(server))
    assert await ask(server.url, "SELECT 1") == 1


def _starts(server: EmbeddedPostgres) -> bool:
    try:
        server.start()
    except CannotStart:  # the killed server's children have not noticed yet
        return False
    return True


async def test_a_folder_too_deep_for_a_socket_works(open_folder: Path) -> None:
    folder = DataFolder(open_folder / ("deep" * 20) / "data")
    server = PostgresForTests(folder, options=FORGETFUL)
    try:
        assert await ask(server.start(), "SELECT 1") == 1
    finally:
        server.stop()
        folder.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_the_servers_end_when_their_parent_is_killed(open_folder: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(open_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603  our own
        servers = [int(pid) for pid in (parent.stdout or sys.stdin).readline().split()]
        parent.send_signal(signal.SIGKILL)
    until(lambda: len(servers) == 2 and all(map(gone, servers)))


def test_a_folder_that_is_no_database_is_refused(folder: DataFolder) -> None:
    (folder.path / "postgres").mkdir()
    with pytest.raises(CannotStart, match="is no PostgreSQL database, or a damaged one"):
        EmbeddedPostgres(folder)


def test_a_database_of_an_unreadable_version_is_refused(folder: DataFolder) -> None:
    (folder.path / "postgres").mkdir()
    (folder.path / "postgres" / "PG_VERSION").write_text("garbage")
    with pytest.raises(CannotStart, match=r"PG_VERSION cannot be read.*choose another DATA_DIR"):
        EmbeddedPostgres(folder)


def test_a_database_of_another_version_is_refused_naming_both(folder: DataFolder) -> None:
    (folder.path / "postgres").mkdir()
    (folder.path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(CannotStart, match=r"made by PostgreSQL 12, .*found: PostgreSQL \d+.*set PG_BINDIR"):
        EmbeddedPostgres(folder)


def test_a_damaged_database_is_refused_with_the_end_of_the_log(serve: Callable[[], EmbeddedPostgres]) -> None:
    server = serve()
    server.stop()
    (server.data / "global" / "pg_control").write_bytes(b"garbage")
    with pytest.raises(CannotStart, match=r"does not start on .*damaged[^$]*postgres.log:"):
        serve()


def test_a_server_that_is_too_old_is_refused(folder: DataFolder, fake_program: Path) -> None:
    with pytest.raises(CannotStart, match=r"PostgreSQL 14 or newer is needed \(found: PostgreSQL 2\.10"):
        EmbeddedPostgres(folder, bindir=fake_program.parent)


def test_a_folder_without_a_server_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"PG_BINDIR=.* holds no PostgreSQL server"):
        EmbeddedPostgres(folder, bindir=tmp_path)
