"""A standby of PostgreSQL is set up and promoted by the commands of the runbook, and nothing acknowledged is lost."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from onebox.children import allowed_environment
from onebox.folder import DataFolder
from onebox.testing.system import System, has_ended, until
from onebox.testing.unrooted import PostgresForTests

from tests.e2e.user import User, newcomer
from tests.runbooks import STANDBY, blocks

pytestmark = pytest.mark.long
COPY, REPLICATE, PROMOTE = (text for mark, text in blocks("failover") if mark == STANDBY)
PROGRAMS = ("pg_basebackup", "pg_ctl")


class Pair:
    """A primary and its standby, with the URL that leads to whichever accepts changes."""

    def __init__(self, folder: Path) -> None:
        self.primary = PostgresForTests(DataFolder(folder / "primary"), others=PROGRAMS)
        self.standby, self.sockets = folder / "standby", folder / "sockets"
        self.standby.mkdir(0o700)
        self.sockets.mkdir()
        self.sockets.chmod(0o777)  # the account of PostgreSQL is not that of the tests, if they run as root
        folders = quote(f"{self.primary.data},{self.sockets}", safe="/,")
        self.url = f"postgresql://agentapi@/agentapi?host={folders}&target_session_attrs=read-write"

    def allow_replication(self) -> None:
        """Let a standby connect. It copies the name of its socket; the options of the primary name another one."""
        with (self.primary.data / "pg_hba.conf").open("a") as file:
            file.write("local replication agentapi peer map=owner\n")
        with (self.primary.data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{self.sockets}'\nlisten_addresses = ''\n")
        self.run('psql "$PRIMARY" -c "SELECT pg_reload_conf()"')

    def run(self, script: str) -> None:
        """Run commands of the runbook; none may fail."""
        variables = {"PRIMARY": self.primary.url, "STANDBY": str(self.standby), "PATH": self._path()}
        environment = allowed_environment() | variables
        subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], env=environment, timeout=120, check=True)

    def end_primary(self) -> None:
        """End all processes of the primary at once, as the loss of its machine does."""
        pid = self.primary.child.pid
        assert pid
        pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for each in pids:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        until(lambda: all(map(has_ended, pids)))

    def _path(self) -> str:
        return f"{self.primary.programs}:{os.environ['PATH']}"  # noqa: TID251


@pytest.fixture
def pair(open_folder: Path) -> Generator[Pair]:
    """Yield a primary with a synchronous standby."""
    pair = Pair(open_folder)
    with ExitStack() as stack:
        pair.primary.start()
        stack.callback(pair.primary.stop)
        pair.allow_replication()
        pair.run(COPY)
        stack.callback(pair.run, 'pg_ctl -D "$STANDBY" --mode immediate stop')
        pair.run(REPLICATE)
        yield pair


@pytest.fixture
def replicated_user(pair: Pair) -> Generator[User]:
    """Someone new, on a system that uses both servers."""
    with System({"DATABASE_URL": pair.url, "ASK_TIMEOUT_SECONDS": "10"}) as system:
        system.start()
        yield from newcomer(system)


def test_a_system_continues_with_a_promoted_standby(pair: Pair, replicated_user: User) -> None:
    session = replicated_user.create()
    pair.end_primary()
    assert replicated_user.http.get(f"/sessions/{session}").status_code == 503
    pair.run(PROMOTE)
    until(lambda: replicated_user.ask(session, "hello").is_success)
