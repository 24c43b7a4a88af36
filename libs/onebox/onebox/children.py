"""Child processes that end with their parent."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from onebox.folder import DataFolder

# Settings of single services, which the launcher passes through. None is a secret.
SERVICE_SETTINGS = (
    *("REGISTRATION_OPEN", "ASK_TIMEOUT_SECONDS", "QUERY_WAIT_SECONDS", "STREAM_HEARTBEAT_SECONDS", "STREAMS_PER_USER"),
    *("MODEL_RETRIES", "MODEL_SILENCE_SECONDS", "TOOL_SECONDS", "WARM_AGENTS", "WARM_AGENT_SECONDS"),
    *("WARM_AGENTS_PER_USER", "WARM_AGENT_MEMORY_BYTES", "SPARE_AGENTS"),
    *("APPROVAL_SECONDS", "MODELS", "CEILINGS", "RUNS_AT_ONCE", "QUOTAS", "STREAM_MAX_BYTES", "STREAM_REPLICAS"),
    *("MCP_ALLOWED_COMMANDS", "MCP_ALLOWED_ADDRESSES", "MCP_CHECK_SECONDS", "MCP_CATALOG_FILE", "MCP_PROGRAM_DIRS"),
    *("AGENT_PATH", "AGENT_MEMORY_BYTES", "AGENT_PROCESSES", "MCP_PROGRAM_MEMORY_BYTES", "WAITING_AGENT_SECONDS"),
    "SANDBOX_REQUIRED",
    *("CORS_ORIGINS", "ALLOWED_HOSTS", "RATE_LIMITS", "CONCURRENT_REQUESTS_PER_USER", "TRUSTED_PROXIES"),
    *("WEBHOOK_ALLOWED_ADDRESSES", "WEBHOOK_TIMEOUT_SECONDS", "WEBHOOK_RETRY_SECONDS", "WEBHOOK_DISABLE_SECONDS"),
    *("BUS_RETENTION_SECONDS", "BUS_MAX_BYTES"),
    *("LOGIN_FAILURES_PER_ACCOUNT", "LOGIN_FAILURES_PER_ADDRESS", "EVENT_EXECUTIONS_PER_HOUR"),
    *("REPORT_S3_BUCKET", "REPORT_S3_ENDPOINT", "REPORT_S3_REGION", "REPORT_S3_ACCESS_KEY_ID", "REPORT_S3_PREFIX"),
    *("REPORT_RETENTION_DAYS", "REPORT_WORKERS", "REPORT_SECONDS", "REPORT_MEMORY_BYTES"),
)
ALLOWED_VARIABLES = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPYCACHEPREFIX"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    *SERVICE_SETTINGS,
)
MAX_LOG_BYTES = 10 * 1024 * 1024
_FORCED_SECONDS = 5.0
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2
# Loaded before any fork. Only Linux can signal a child when its parent dies. On macOS, children outlive a launcher that
# was killed with SIGKILL; the next start then reports that the data folder is still locked.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def allowed_environment() -> dict[str, str]:
    """Return the environment variables that children inherit: no secrets, and nothing that configures Claude Code."""
    return {name: os.environ[name] for name in ALLOWED_VARIABLES if name in os.environ}  # noqa: TID251  the only place


def telemetry_environment() -> dict[str, str]:
    """Return the variables that OpenTelemetry has standardized. Only services get them: headers may hold a secret."""
    names = (name for name in os.environ if name.startswith("OTEL_"))  # noqa: TID251  as above
    return {name: os.environ[name] for name in names}  # noqa: TID251


def signal_on_parent_death(to_send: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` for a child: the kernel sends it `to_send` when the thread that started it ends."""
    parent = os.getpid()

    def set_signal() -> None:
        if _libc:
            _libc.prctl(_PR_SET_PDEATHSIG, int(to_send))
            if os.getppid() != parent:  # the parent died before the signal was set
                os._exit(1)

    return set_signal


def end_with_parent(to_send: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent ends."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, int(to_send))


@contextlib.contextmanager
def following_parent() -> Generator[None]:
    """Keep the signal that this process gets when its parent ends: the kernel forgets it with a change of account."""
    parent, number = os.getppid(), ctypes.c_int()
    if _libc:
        _libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(number))
    yield
    if number.value:
        end_with_parent(signal.Signals(number.value))
        if os.getppid() != parent:  # it ended meanwhile
            os.kill(os.getpid(), number.value)


class Process(Protocol):
    """A running program."""

    @property
    def pid(self) -> int:
        """The process id, also after the process has ended."""
        ...

    def poll(self) -> int | None:
        """Return the exit code, negative if a signal ended the process, or None while it runs."""
        ...

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""
        ...


@dataclass(frozen=True)
class Program:
    """A command, its environment, and the signals and the time limit for stopping it."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    stop: signal.Signals = signal.SIGTERM
    force: signal.Signals = signal.SIGKILL
    when_orphaned: signal.Signals = signal.SIGKILL
    grace: float = 20.0

    def start(self, log: int, lock: int) -> Process:
        """Start the program in a session of its own, with the descriptors of its log and of a lock to inherit.

        It is stopped when the calling thread ends, so call this from a long-lived thread.
        """
        return subprocess.Popen(  # noqa: S603  our own programs, no shell
            self.command,
            env=allowed_environment() | self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
            preexec_fn=signal_on_parent_death(self.when_orphaned),
        )


class Child:
    """A program that runs in its own session, logs to the data folder, and can be restarted."""

    def __init__(self, program: Program, folder: DataFolder) -> None:
        self.program, self.name = program, program.name
        self.log = folder.logs / f"{program.name}.log"
        self._pid_file = folder.run / f"{program.name}.pid"
        self._lock = folder.lock
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, also after the process has ended."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while the process runs."""
        return self._process.poll() if self._process else None

    def running(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program, from a long-lived thread (`Program.start`)."""
        self.trim_log()
        with self.log.open("ab") as log:
            self._process = self.program.start(log.fileno(), self._lock)
        self._pid_file.write_text(str(self._process.pid))

    def ask_to_stop(self) -> None:
        """Send the signal to stop, without waiting."""
        if self._process and self.running():
            self._process.send_signal(self.program.stop)

    def finish(self, force_now: Callable[[], bool] = lambda: False) -> None:
        """Wait for the end, at most the grace period or until `force_now`; then kill the process and its group."""
        if self._process is None:
            return
        self._wait(self.program.grace, force_now)
        if self.running():
            self._process.send_signal(self.program.force)
        self._wait(_FORCED_SECONDS)
        self.kill_group()
        self._pid_file.unlink(missing_ok=True)

    def _wait(self, seconds: float, no_longer: Callable[[], bool] = lambda: False) -> None:
        until = time.monotonic() + seconds
        while self.running() and time.monotonic() < until and not no_longer():
            time.sleep(0.02)

    def kill_group(self) -> None:
        """Kill the rest of the process group."""
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def trim_log(self) -> None:
        """Move the end of a log that is too large to `.log.1`, and truncate the log.

        The program keeps its descriptor, which appends. Lines written between copying and truncating are lost.
        """
        if not self.log.exists() or (size := self.log.stat().st_size) <= MAX_LOG_BYTES:
            return
        with self.log.open("rb") as log, self.log.with_suffix(".log.1").open("wb") as rotated:
            log.seek(size - MAX_LOG_BYTES)
            rotated.write(log.read(MAX_LOG_BYTES))
        os.truncate(self.log, 0)


def stop_all(children: Sequence[Child], force_now: Callable[[], bool] = lambda: False) -> None:
    """Stop several children concurrently."""
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.finish(force_now)
