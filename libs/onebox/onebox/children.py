"""Child processes that do not outlive their parent."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onebox.folder import DataFolder

ALLOWED = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    # What single services can be told, and this launcher need not understand; none is a secret.
    *("REGISTRATION_OPEN", "ASK_TIMEOUT_SECONDS", "QUERY_WAIT_SECONDS", "STREAM_HEARTBEAT_SECONDS"),
    *("MODEL_RETRIES", "MODEL_SILENCE_SECONDS", "TOOL_SECONDS", "WARM_AGENTS", "WARM_AGENT_SECONDS"),
    *("APPROVAL_SECONDS", "MODELS", "RUNS_AT_ONCE", "STREAM_MAX_BYTES", "STREAM_REPLICAS", "CORS_ORIGINS"),
)
LOG_LIMIT = 10 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
# Loaded before any fork. Only Linux can tie a child to its parent; on macOS children outlive a launcher that is killed
# with SIGKILL, and the lock they hold on the data folder then says so at the next start.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def allowed_environment() -> dict[str, str]:
    """Give what a child may know of our environment: nothing that could be a secret or steer an agent."""
    return {name: os.environ[name] for name in ALLOWED if name in os.environ}  # noqa: TID251  the one place


def tether(to_send: signal.Signals) -> Callable[[], None]:
    """Make what a child runs before its program: from then on the kernel signals it when our thread ends."""
    parent = os.getpid()

    def tied() -> None:
        if _libc:
            _libc.prctl(_PR_SET_PDEATHSIG, int(to_send))
            if os.getppid() != parent:  # it died before it could be watched
                os._exit(1)

    return tied


def follow_parent() -> None:
    """Ask the kernel to stop this process, gently, when the one that started it ends."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


@dataclass(frozen=True)
class Program:
    """What to run, and how to end it."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    account: pwd.struct_passwd | None = None
    stop: signal.Signals = signal.SIGTERM
    force: signal.Signals = signal.SIGKILL
    when_orphaned: signal.Signals = signal.SIGKILL
    grace: float = 20.0


class Child:
    """A program that runs in a session of its own, logs to the data folder, and can be started again."""

    def __init__(self, program: Program, folder: DataFolder) -> None:
        self.program, self.name = program, program.name
        self.log = folder.logs / f"{program.name}.log"
        self._pid_file = folder.run / f"{program.name}.pid"
        self._lock = folder.lock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Number of the process, also after it ended."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """How the process ended; None while it runs."""
        return self._process.poll() if self._process else None

    def running(self) -> bool:
        """Say whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; must be called from a thread that lives as long as it should."""
        self._rotate()
        account = self.program.account
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own programs, no shell
                self.program.command,
                env=allowed_environment() | self.program.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(self._lock,),
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=tether(self.program.when_orphaned),  # after the change of user, which would undo it
            )
        self._pid_file.write_text(str(self._process.pid))

    def ask_to_stop(self) -> None:
        """Send the gentle signal."""
        if self._process and self.running():
            self._process.send_signal(self.program.stop)

    def finish(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Wait for the end, force it when the grace is over, and end what the process left behind."""
        if self._process is None:
            return
        until = time.monotonic() + self.program.grace
        while self.running() and time.monotonic() < until and not hurry():
            time.sleep(0.02)
        if self.running():
            self._process.send_signal(self.program.force)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.sweep()
        self._pid_file.unlink(missing_ok=True)

    def sweep(self) -> None:
        """End the rest of the process group."""
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _rotate(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))


def stop_all(children: Sequence[Child], hurry: Callable[[], bool] = lambda: False) -> None:
    """Stop several at once."""
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.finish(hurry)
