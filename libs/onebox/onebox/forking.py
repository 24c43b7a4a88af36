"""Python programs that are forked from this process, which has loaded their code, instead of started.

All services load the same libraries. Forked, they share the memory of what is loaded, and it is loaded once.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Never

from contracts.messages import accepted_type, feed_query, ping_query, projected_query
from runtime.loading import loading
from runtime.settings import InvalidSettings, Settings, load

from onebox.children import Process, Program, allowed_environment, signal_on_parent_death

_COMMON = ("eventing.main",)
_OF_SERVICES = ("app", "operations", "settings")
"""The modules that are loaded of each service that has them. Together they import what it needs at its start."""
LOADED_LATER = (
    *("gateway.mcp_server.exchange", "mcp_connection.clients", "mcp_registry.oauth.preparation"),
    *("mcp_registry.oauth.tokens", "report.storage.s3", "session.agent.prestarted"),
)
"""The modules that services load when they need them first: for the first agent or MCP server, for example."""
_HANDLED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_PR_SET_NAME = 15
_ARGUMENTS, _VARIABLES = slice(45, 47), slice(47, 49)
"""Where `/proc/self/stat` has, after the name of the process, the addresses of its command line and environment."""
_environment = os.environ  # noqa: TID251  replaced by that of a program
_libc = ctypes.CDLL(None)


def forget_working_directory() -> None:
    """Do not import modules from the working directory, which is first on the path unless Python runs with `-P`."""
    if not sys.flags.safe_path:
        del sys.path[0]


class Preloading:
    """Loads the code of services in the background, while servers start."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = services
        self._thread = threading.Thread(target=self._load, name="preloading")

    def start(self) -> None:
        """Start loading, with the environment that services have."""
        if self._services:
            set_environment(allowed_environment())
        self._thread.start()

    def finish(self) -> None:
        """Wait until all is loaded. Then no other thread runs, and this process can be forked."""
        self._thread.join()

    def _load(self) -> None:
        names = [f"{service}.{name}" for service in self._services for name in _OF_SERVICES]
        with loading():
            for name in filter(find_spec, [*names, *(_COMMON if names else ())]):
                import_module(name)  # not collected afterwards: what a service then put into the gaps would copy pages
            for service in self._services:
                _rehearse(service)


def _rehearse(service: str) -> None:
    """Do what a service does at its start, as far as its results stay in memory: it then shares them with the others.

    These are results of `issubclass`, the classes of the replies that it sends, and the levels of loggers.
    """
    from runtime.logging import set_levels  # not before: the launcher loads what this needs in the background

    set_levels(Settings.model_fields["log_level"].default)
    for sequence in (list, tuple):
        issubclass(sequence, Mapping)  # the driver of the database asks that of parameters
    for query in (ping_query, feed_query, projected_query):
        accepted_type(query(service))
    if definition := getattr(sys.modules.get(f"{service}.app"), "service", None):
        for message in (*definition.commands.by_type, *definition.queries.by_type):
            accepted_type(message)
    if settings := sys.modules.get(f"{service}.settings"):
        with suppress(InvalidSettings):  # those that the launcher will add are missing
            load(settings.Settings)


@dataclass(frozen=True)
class Module(Program):
    """A program that is a module whose code has been loaded. Its `command` would do the same without that."""

    def start(self, log: int, lock: int) -> Process:
        """Fork this process, which must have a single thread; otherwise as `Program.start`."""
        follow_parent = signal_on_parent_death(self.when_orphaned)
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that arrives meanwhile is for the program, and must not find the handler of this process.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            if pid := os.fork():
                return Forked(pid)
            end_with(lambda: self._run(follow_parent, log, lock, unblocked))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _run(self, follow_parent: Callable[[], None], log: int, lock: int, unblocked: Iterable[int]) -> None:
        """Turn the process that was forked into one that has been started, and run the module."""
        follow_parent()
        os.setsid()
        os.chdir("/")
        _set_descriptors(log, lock)
        set_environment(allowed_environment() | self.environment)
        set_name(self.name)
        for number in _HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        sys.argv = [self.name]
        runpy.run_module(self.name, run_name="__main__", alter_sys=True)


class Forked:
    """A process that was forked from this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, as `Process.poll`."""
        if self._exit_code is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                # This process was started with SIGCHLD ignored, so the kernel has forgotten how the child ended.
                ended, status = self.pid, 0
            if ended:
                self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


def end_with(work: Callable[[], None]) -> Never:
    """End this process as Python does after `work`, but without going back to the code that forked it."""
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException as error:  # noqa: BLE001  the outermost handler
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _exit_code(end: SystemExit) -> int:
    if isinstance(end.code, str):
        sys.stderr.write(f"{end.code}\n")
        return 1
    return end.code or 0


def _set_descriptors(log: int, lock: int) -> None:
    """Write to the log, read nothing, and leave nothing else open than the lock."""
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  only names
        if descriptor > 2 and descriptor != lock:
            with suppress(OSError):  # the listed folder itself, which is closed already
                os.close(descriptor)


def set_environment(variables: Mapping[str, str]) -> None:
    """Replace the environment variables of this process."""
    _environment.clear()
    _environment.update(variables)


def set_name(name: str) -> None:
    """Have `ps` and `top` show a name, and `/proc` not show the environment of the process that was forked."""
    _libc.prctl(_PR_SET_NAME, name.encode())
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    for (start, end), text in ((map(int, fields[_ARGUMENTS]), name), (map(int, fields[_VARIABLES]), "")):
        # The kernel reads both from the memory of the process. Python and the C library keep copies of what they use.
        ctypes.memmove(start, text.encode().ljust(end - start, b"\0"), end - start)
