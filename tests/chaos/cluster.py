"""Two replicas of each service on one bus and one database, and faults for them. It signals only its own processes."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts import catalogue
from onebox.children import Child, Program, stop_all
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.ports import ReservedPort
from onebox.readiness import ReadyCheck, describe_not_ready, not_ready
from onebox.services import DatabaseUrls, LaunchContext, services
from onebox.settings import BoxSettings
from onebox.testing.unrooted import PostgresForTests
from pydantic import SecretStr

from tests.chaos.surroundings import WITH_CLOCK, WORKSPACES, Surroundings

SERVICES = ("gateway", *catalogue.SERVICES)
REPLICAS = (1, 2)
SERVERS = ("nats", "postgres")
TARGETS = tuple(f"{service}-{n}" for service in SERVICES for n in REPLICAS) + SERVERS
GRACE = 25.0
"""Seconds that a process which was asked to stop has for it."""
READY_SECONDS = 120.0
SURVIVES_A_CRASH = {"fsync": "off", "full_page_writes": "off"}  # of the server, though not of the machine


class Cluster:
    """The system; use as a context, so that nothing is left. Its agents run the program `agent`, or Claude Code."""

    def __init__(self, agent: Path | None = None) -> None:
        self._agent = {"AGENT_PATH": str(agent)} if agent else {}
        self._held = ExitStack()
        self._path = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
        self._path.chmod(0o755)  # PostgreSQL's account has to pass, when we are root
        self._held.callback(shutil.rmtree, self._path, ignore_errors=True)
        self.folder = DataFolder(self._path)
        self._held.callback(self.folder.close)
        self.surroundings = Surroundings(self._path, self.folder.workspaces)
        self.postgres = PostgresForTests(self.folder, options=SURVIVES_A_CRASH)
        self._held.callback(self.postgres.stop)
        self.nats = EmbeddedNats(self.folder)
        self._held.callback(self.nats.stop)
        self.gateways: list[str] = []
        self.checks: list[ReadyCheck] = []
        self.down = dict[str, float]()
        """Those that were ended on purpose, and since when."""
        self.stopped = dict[str, list[int]]()
        """Those that hang, and their processes."""
        self.ended_by_themselves: list[str] = []

    def keep_logs(self, folder: Path) -> None:
        """Copy what the processes have logged."""
        shutil.copytree(self.folder.logs, folder, dirs_exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for target in list(self.stopped):
            self.let_go_on(target)
        self._held.close()

    def start(self) -> None:
        """Start everything, and wait until it is ready."""
        self.postgres.start()
        self.nats.start()
        for check in self._table():
            self.checks.append(check)
            check.child.start()
        self._held.callback(stop_all, [check.child for check in self.checks], lambda: True)
        self.wait_until_ready()

    def _table(self) -> list[ReadyCheck]:
        port = self._free_port()
        environment = {"HOST": "127.0.0.1", "PORT": str(port)}
        model = Program("simulator", [sys.executable, "-P", "-m", "simulator"], environment)
        checks = [ReadyCheck(Child(model, self.folder), port)]
        for n in REPLICAS:
            settings = BoxSettings(
                port=self._free_port(),
                data_dir=self._path,
                admin_email="admin@example.com",
                admin_password=SecretStr("plantedsecret-correct horse battery staple"),
                model_base_url=f"http://127.0.0.1:{port}",
            )
            self.gateways.append(f"http://127.0.0.1:{settings.port}")
            urls = DatabaseUrls(self.postgres.service_url, self.postgres.url)
            context = LaunchContext(settings, self.folder, urls, self.nats.url_of, self._free_port)
            for row in services(context):
                unlimited = {"RATE_LIMITS": "none", "QUOTAS": "concurrent_runs=none"}  # one user sends all the load
                environment = row.program.environment | unlimited | self._agent
                name = f"{row.program.name}-{n}"
                command = self.surroundings.with_clock(name, row.program.command)
                program = Program(name, command, environment, grace=row.program.grace)
                checks.append(ReadyCheck(Child(program, self.folder), row.port))
        return checks

    def _free_port(self) -> int:
        return self._held.enter_context(ReservedPort()).number

    def child(self, target: str) -> Child:
        """Return the process of a target."""
        servers = {"nats": self.nats.child, "postgres": self.postgres.child}
        return servers.get(target) or next(check.child for check in self.checks if check.child.name == target)

    def kill(self, target: str) -> None:
        """End a target with SIGKILL."""
        if pid := self.child(target).pid:
            os.kill(pid, signal.SIGKILL)
        self.down[target] = time.monotonic()

    def lose(self, target: str) -> None:
        """End the bus, and remove all that it has stored."""
        self.kill(target)
        self.child(target).finish()
        shutil.rmtree(self.folder.path / "nats" / "jetstream")

    def terminate(self, target: str) -> None:
        """Ask a target to stop."""
        self.child(target).ask_to_stop()
        self.down[target] = time.monotonic()

    def stop(self, target: str) -> None:
        """Let a target hang, as SIGSTOP does; a database with all the processes that serve its clients."""
        if pid := self.child(target).pid:
            self.stopped[target] = [pid, *(children_of(pid) if target == "postgres" else [])]
            for each in self.stopped[target]:
                _send(each, signal.SIGSTOP)

    def let_go_on(self, target: str) -> None:
        """Let a target that hangs go on."""
        for pid in reversed(self.stopped.pop(target, [])):
            _send(pid, signal.SIGCONT)

    def revive(self, target: str) -> bool:
        """Start a target again that was ended on purpose; False while it is still ending."""
        child = self.child(target)
        if child.running():
            if time.monotonic() < self.down[target] + GRACE:
                return False
            self.kill(target)
        child.finish()
        del self.down[target]
        {"nats": self.nats.start, "postgres": self.postgres.start}.get(target, child.start)()
        return True

    def look_after(self) -> None:
        """Start those again that ended by themselves, as the launcher does."""
        for check in self.checks:
            if not check.child.running() and check.child.name not in self.down:
                self.ended_by_themselves.append(f"{check.child.name} ({check.child.exit_code})")
                check.child.kill_group()
                check.child.start()

    def wait_until_ready(self) -> None:
        """Wait until every service says that it is ready.

        Raises:
            AssertionError: one did not, within two minutes.
        """
        end, waiting = time.monotonic() + READY_SECONDS, list(self.checks)
        while waiting := not_ready(waiting):
            if time.monotonic() > end:
                raise AssertionError(describe_not_ready(waiting, READY_SECONDS))
            self.look_after()
            time.sleep(0.1)


CLOCK, FOLDER = "wrong clock of", "no folder of"
HARM: dict[str, Callable[[Cluster, str], None]] = {
    "SIGKILL": Cluster.kill,
    "SIGTERM": Cluster.terminate,
    "SIGSTOP": Cluster.stop,
    "loss of": Cluster.lose,
    CLOCK: lambda cluster, target: cluster.surroundings.set_clock_wrong(target),
    FOLDER: lambda cluster, target: cluster.surroundings.hide_folder(target),
}
ONLY = {
    "loss of": ("nats",),
    CLOCK: tuple(f"{service}-{n}" for service in WITH_CLOCK for n in REPLICAS),
    FOLDER: (WORKSPACES,),
}
"""The targets of kinds that not every process can have: PostgreSQL is the truth, and the bus may lose everything."""
PAIRS = [(kind, target) for kind in HARM for target in ONLY.get(kind, TARGETS)]
"""All that can happen."""


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that still live."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
