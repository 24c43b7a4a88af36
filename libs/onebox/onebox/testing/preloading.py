"""A plugin that forks programs of this project which tests start, instead of having Python load their code each time.

To load the code of all services takes three seconds of a processor, as much as all else that a whole system does until
it is ready. So each test process has another one that has loaded it (`preloaded.py`), from which programs are forked.
They become children of the test process: for `subprocess` and `asyncio`, they are like any other.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any, cast

import pytest
from contracts.catalogue import SERVICES

from onebox.children import allowed_environment
from onebox.testing.orphans import FollowingTests, execute

SERVICES_OF_A_SYSTEM = ("gateway", *SERVICES, "simulator")
_MODULES = frozenset(
    (
        *("gateway", *SERVICES, "onebox", "simulator", "pytest"),
        *("mcp_connection.testing.server", "mcp_connection.testing.hostile"),
        *("services.session.tests.deployment", "services.session.tests.replica"),
    )
)
_FILES = frozenset(("box.py", "child.py", "replica.py", "small_service.py", "stalling_service.py"))
"""Programs beside tests, which run services or the launcher."""
_SERVER = Path(__file__).with_name("preloaded.py")
"""Run as a file: as a module, it would import this package, which no program needs."""
_PR_SET_CHILD_SUBREAPER = 36
_NUMBER = 32
"""Bytes of a process id, at most."""
_libc = ctypes.CDLL(None)


class ForkServer:
    """A process from which others are forked.

    Args:
        command: its command, to which the number of a socket is added.
        environment: its variables.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, environment
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Fork a program with its standard input, output and error, and return the id of a child of this process.

        Raises:
            OSError: there is no process to fork it from.
        """
        self.load()
        with self._lock:
            _set_adopting(True)  # the program is forked by a process that ends, which leaves it to this one
            try:
                socket.send_fds(self._connection, [json.dumps(request).encode()], descriptors)
                answer = self._connection.recv(_NUMBER)
            except ConnectionError:
                answer = b""
            finally:
                _set_adopting(False)
        if not answer:
            raise ChildProcessError(f"the process to fork has ended with exit code {self._wait()}")
        return int(answer)

    def end(self) -> None:
        """End the process, if it was started."""
        if self._process:
            self._connection.close()
            self._wait()

    def _wait(self) -> int | None:
        return self._process.wait() if self._process else None

    def load(self) -> None:
        """Start the process, unless that was done before."""
        with self._lock:
            if self._process is None:
                self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    self._process = self._start(theirs.fileno())

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  ours
            [*self._command, str(number)],
            env=self._environment,
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


class Preloaded(ForkServer):
    """The process that has loaded the code of all services."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-P", str(_SERVER), *SERVICES_OF_A_SYSTEM], allowed_environment())


def _set_adopting(value: bool) -> None:
    """Have the kernel make this process the parent of orphans among its descendants, or not."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(value), 0, 0, 0)


_preloaded = Preloaded()


@wraps(execute)
def _execute(process: Any, command: Any, *options: Any) -> None:
    executable, preexec, _, inherited, folder, variables, _, _, shell, *rest = options
    *pipes, _, gid, gids, uid, umask, new_session, group = rest
    program = _program(command)
    plain = (executable, bool(inherited), shell, gid, gids, uid, umask, group) == _PLAIN
    environment = dict(os.environ if variables is None else variables)  # noqa: TID251  inherited
    if program is None or not plain or not isinstance(preexec, FollowingTests) or _configures_python(environment):
        execute(process, command, *options)
        return
    readable, _, _, output, _, error = pipes
    request = {
        "program": program,
        "folder": os.fspath(folder or "."),
        "environment": environment,
        "new_session": new_session,
    }
    standard = [given if given >= 0 else number for number, given in enumerate((readable, output, error))]
    try:
        process.pid = _preloaded.start(request, standard)
        process._child_created = True  # noqa: SLF001
    finally:
        process._close_pipe_fds(*pipes)  # noqa: SLF001


_PLAIN = (None, False, False, None, None, None, -1, -1)


def _configures_python(environment: Mapping[str, str]) -> bool:
    """Return whether there are variables that Python reads when it starts.

    The folder of compiled code is no matter, and a forked program writes each line at once if it shall.
    """
    names = {name for name, value in environment.items() if value} - {"PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"}
    return any(name.startswith("PYTHON") for name in names)


def _program(command: Any) -> list[str] | None:
    """Return the module or the file, and the arguments, of a command that can be forked."""
    if not isinstance(command, (list, tuple)):
        return None
    executable, *parts = [str(part) for part in cast(Sequence[object], command)]
    if executable != sys.executable:
        return None
    if parts[:1] == ["-P"]:
        del parts[0]
    if parts[:1] == ["-m"] and parts[1] in _MODULES:
        return parts[1:]
    return parts if parts and Path(parts[0]).name in _FILES else None


def pytest_configure(config: pytest.Config) -> None:
    """Fork programs from now on, where that is possible."""
    if sys.platform == "linux":
        patch = pytest.MonkeyPatch()
        patch.setattr(subprocess.Popen, "_execute_child", _execute)
        config.add_cleanup(patch.undo)
        config.add_cleanup(_preloaded.end)
