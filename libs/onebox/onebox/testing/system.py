"""The whole system for tests: a process to start, to kill and to send requests to."""

import contextlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import quote
from urllib.request import urlopen

from onebox.children import allowed_environment
from onebox.cluster import NAME
from onebox.folder import OPS, DataFolder
from onebox.ports import ReservedPort
from onebox.processes import is_alive
from onebox.supervision import MAX_EXITS, WINDOW_SECONDS
from onebox.testing.orphans import FollowingTests
from onebox.testing.planted import check_files, check_none, planted
from onebox.testing.planted_tables import revealed_in_compressed_rows
from onebox.testing.stand_in import stand_in
from onebox.testing.unrooted import copy_cluster

LAUNCHER = "launcher"
_START_TIMEOUT = 120.0
_FIRST_PAUSE, _MAX_PAUSE = 0.02, 0.3
"""Between two evaluations of a condition, in seconds: longer and longer, since each takes time of what is awaited."""


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until a condition is true.

    Raises:
        AssertionError: it was not true within `seconds`.
    """
    end, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:g} s the result is still {value!r}: {_source(condition)}")
        time.sleep(pause)
        pause = min(1.2 * pause, _MAX_PAUSE)


def _source(condition: Callable[[], object]) -> str:
    """Return the first line of a condition."""
    try:
        return inspect.getsource(condition).strip().partition("\n")[0]
    except (OSError, TypeError):
        return str(condition)


def has_ended(pid: int) -> bool:
    """Return whether a process has ended."""
    return not is_alive(pid)


class System:
    """A `python -m onebox` with its own data folder and port. Use it as a context manager, which stops and removes it.

    Before it is removed, all its files are searched for secrets.

    Args:
        environment: settings beyond those of this class, or instead of them.
        command: the command of the launcher.
        claude_code: whether agents run Claude Code, even if those of other systems run its stand-in.
        prepared: whether the files of an empty database are there before the first start, which saves seconds. If not,
            there is no data folder, as on the machine of a new user.
    """

    opened: ClassVar[set["System"]] = set()
    """Those of this process whose files exist."""
    claude_code: ClassVar[bool] = False
    """Whether agents run Claude Code, not its stand-in."""
    host = "127.0.0.1"
    admin_email = "admin@example.com"
    admin_password = planted("correct horse battery staple")

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-P", "-m", "onebox"),
        *,
        claude_code: bool = False,
        prepared: bool = True,
    ) -> None:
        self._prepared = prepared
        self._folder = Path(tempfile.mkdtemp(prefix="onebox-", dir="/tmp"))
        self._folder.chmod(0o755)
        self.data_dir = self._folder / "data"
        self._port = ReservedPort()
        self.base_url = f"http://{self.host}:{self._port.number}"
        self._command = command
        self.environment = {
            "HOST": self.host,
            "PORT": str(self._port.number),
            "DATA_DIR": str(self.data_dir),
            "ADMIN_EMAIL": self.admin_email,
            "ADMIN_PASSWORD": self.admin_password,
            "ASK_TIMEOUT_SECONDS": "30",  # other processes may take the machine for seconds
            "RATE_LIMITS": "none",  # tests send many requests as one user, and from one address
            "QUOTAS": "concurrent_runs=none",  # and run many agents at the same time
            "MCP_ALLOWED_ADDRESSES": "127.0.0.0/8",  # and start MCP servers on this machine
            "WEBHOOK_ALLOWED_ADDRESSES": "127.0.0.0/8",  # and receivers of webhooks
            "SPARE_AGENTS": "0",  # and find agents by the ids of their sessions
            "PYTHONPYCACHEPREFIX": "",  # use the files that the tests have compiled next to the code
        } | dict(environment or {})
        if not (claude_code or self.claude_code):
            self.environment.setdefault("AGENT_PATH", str(stand_in()))
        self._output = self._folder / "output"
        self._process: subprocess.Popen[bytes] | None = None
        self._kills: defaultdict[str, list[float]] = defaultdict(list)  # times by name, since the launcher was started

    def __enter__(self) -> Self:
        self.opened.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._check_tables()
            self._end()
            if error is None:
                check_files(self._folder)
                self._check_permitted()
        finally:
            self._end()
            self._port.release()
            self.opened.discard(self)
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def output(self) -> str:
        """The output of the last launcher."""
        return self._output.read_text() if self._output.exists() else ""

    def launch(self) -> None:
        """Start the launcher without waiting."""
        if self._prepared and not self.data_dir.exists():
            self._prepare()
        self._kills.clear()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                self._command,
                env=allowed_environment() | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=FollowingTests(),
            )

    def _prepare(self) -> None:
        folder = DataFolder(self.data_dir)
        if "DATABASE_URL" not in self.environment:
            copy_cluster(self.data_dir / "postgres")
        (folder.run / f"{LAUNCHER}.pid").write_text("")  # no system runs here yet: the lock named this process
        folder.close()

    def start(self) -> None:
        """Start the system and wait until it is ready.

        Raises:
            AssertionError: it ended instead, or was not ready within 120 s.
        """
        self.launch()
        until(lambda: "is ready after" in self.output or not self.running(), _START_TIMEOUT)
        if not self.running():
            raise AssertionError(f"the system ended:\n{self.output}")

    def ready(self) -> bool:
        """Return whether every service is ready."""
        try:
            with urlopen(f"{self.ops_url('gateway')}/health/services", timeout=5) as answer:  # noqa: S310  our own
                return answer.status == HTTPStatus.OK
        except OSError:
            return False

    def ops_url(self, service: str) -> str:
        """Return the URL at which a service of the running system serves its probes and metrics."""
        targets = json.loads((self.data_dir / "run" / OPS).read_text())
        return next(f"http://{row['targets'][0]}" for row in targets if row["labels"]["service"] == service)

    def running(self) -> bool:
        """Return whether the launcher runs."""
        return self._process is not None and self._process.poll() is None

    def wait(self, seconds: float = 120.0) -> int:
        """Wait until the launcher has ended, and return its exit code."""
        return self._process.wait(seconds) if self._process else 0

    def _check_tables(self) -> None:
        socket, pid = self.data_dir / "postgres", self.pids().get("postgres")
        if pid and is_alive(pid):
            url = f"postgresql://{NAME}@/{NAME}?host={quote(str(socket), safe='/')}"
            check_none(url, revealed_in_compressed_rows(url))

    def _check_permitted(self) -> None:
        """Check that the bus has refused no service what it needs."""
        lines = [line for log in (self.data_dir / "logs").glob("nats*") for line in log.read_text().splitlines()]
        if refused := [line for line in lines if " Violation " in line]:
            raise AssertionError("the bus has refused what a service needs:\n" + "\n".join(refused))

    def _end(self) -> None:
        # Without a graceful shutdown: the data is discarded, and the kernel ends the children with the launcher.
        pids = self.pids()
        if self._process and self.running():
            self._process.kill()
        self.wait()
        until(lambda: all(map(has_ended, pids.values())))

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop the system as Ctrl-C does, and return its exit code."""
        if self._process and self.running():
            self._process.send_signal(number)
        return self.wait()

    def restart(self) -> None:
        """Stop the system if it runs, and start it with the same data."""
        self.stop()
        self.start()

    def prepare_for_kills(self, number: int) -> None:
        """Have the system ready, and its launcher prepared to restart each process `number` times."""
        since = time.monotonic() - WINDOW_SECONDS
        recent = max((sum(at > since for at in times) for times in self._kills.values()), default=0)
        if not self.running() or recent + number > MAX_EXITS:
            self.restart()
        until(self.ready)

    def pids(self) -> dict[str, int]:
        """Return the process ids by name: gateway, identity, session, simulator, nats, postgres, launcher."""
        found: dict[str, int] = {}
        for file in (self.data_dir / "run").glob("*.pid"):
            with contextlib.suppress(ValueError, FileNotFoundError):
                found[file.stem] = int(file.read_text())
        return found

    def kill(self, name: str) -> int:
        """Kill one process with SIGKILL, wait until it has ended, and return its id. The launcher restarts it."""
        pid = self._alive(name)
        os.kill(pid, signal.SIGKILL)
        self._kills[name].append(time.monotonic())
        if name == LAUNCHER:
            self.wait()
        until(lambda: has_ended(pid))
        return pid

    def _alive(self, name: str) -> int:
        """Wait for a process, which may have been killed before and is being restarted, and return its id."""
        until(lambda: (pid := self.pids().get(name)) and is_alive(pid))
        return self.pids()[name]

    def kill_all(self) -> None:
        """Kill every process with SIGKILL, as a power cut would, and wait until all have ended."""
        pids = self.pids()
        self.kill(LAUNCHER)  # first, since it would restart the others
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: all(map(has_ended, pids.values())))
