"""No process outlives the tests that started it, however these end: also if they are killed.

To set the signal that the kernel sends, a function in the child would do, but then Python has to copy the process of
the tests, for 30 ms of a processor. `setpriv` takes one, in which a program would outlive tests that are just killed.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any, cast

import pytest

from onebox import children
from onebox.children import allowed_environment, end_with_parent, signal_on_parent_death

_MAX_FIRST_LINE = 256
_start = subprocess.Popen.__init__
_execute: Any = cast(Any, subprocess.Popen)._execute_child  # noqa: SLF001  where `preloading` forks instead, too


class FollowingTests:
    """A `preexec_fn`: the kernel signals the program when the process that starts it ends."""

    def __init__(self, to_send: signal.Signals = signal.SIGKILL) -> None:
        self.to_send = to_send
        self._set_signal = signal_on_parent_death(to_send)

    def __call__(self) -> None:
        """Prepare the program."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # inherited as ignored if the tests run under nohup
        self._set_signal()


@wraps(_start)
def _start_following(process: "subprocess.Popen[Any]", *arguments: Any, **options: Any) -> None:
    if options.get("preexec_fn") is None:
        options["preexec_fn"] = FollowingTests()
    _start(process, *arguments, **options)


def execute(process: Any, command: Any, *options: Any) -> None:
    """Start a program, as `Popen._execute_child` does, if possible without copying the process of the tests."""
    executable, preexec, closing, inherited, folder, variables, *rest = options
    is_plain = isinstance(command, (list, tuple)) and executable is None and not rest[2]
    follows = isinstance(preexec, FollowingTests)
    if is_plain and follows and _can_start(command[0], folder, variables) and (setpriv := _setpriv()):
        command = [setpriv, "--pdeathsig", preexec.to_send.name.removeprefix("SIG"), "--", *command]
        preexec = None
    _execute(process, command, executable, preexec, closing, inherited, folder, variables, *rest)


@cache
def _setpriv() -> str | None:
    """Return the program, unless it is missing or does not know the option, as that of BusyBox."""
    if (program := shutil.which("setpriv")) is None:
        return None
    silent = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    command = [program, "--pdeathsig", "KILL", "--", "true"]
    pid = os.posix_spawn(program, command, allowed_environment(), file_actions=silent)
    return program if os.waitpid(pid, 0)[1] == 0 else None


def _can_start(program: Any, folder: Any, variables: Mapping[str, str] | None) -> bool:
    """Return whether a program exists, and its interpreter if it is a script: else Python has to report the error."""
    name = os.fsdecode(program)
    path = Path(Path.cwd(), os.fsdecode(folder or ""), name) if os.sep in name else name
    found = shutil.which(path, path=os.pathsep.join(os.get_exec_path(cast(Any, variables))))
    if not found or not os.access(found, os.R_OK):
        return False
    with Path(found).open("rb") as file:
        start = file.readline(_MAX_FIRST_LINE)
    interpreter = start.removeprefix(b"#!").split(maxsplit=1)[:1] if start.startswith(b"#!") else []
    return start.startswith(b"\x7fELF") or any(os.access(path, os.X_OK) for path in interpreter)


def _ignore(*_: object) -> None:
    pass


@pytest.hookimpl(tryfirst=True)  # before `preloading`, which starts so what it does not fork
def pytest_configure(config: pytest.Config) -> None:
    """Have the kernel end the workers of this run, and all programs that tests start, with the process above them."""
    if hasattr(config, "workerinput"):
        end_with_parent(signal.SIGKILL)
    patch = pytest.MonkeyPatch()
    patch.setattr(subprocess.Popen, "__init__", _start_following)
    patch.setattr(subprocess.Popen, "_execute_child", execute)
    patch.setattr(children, "signal_on_parent_death", FollowingTests)
    config.add_cleanup(patch.undo)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # under nohup: programs shall not inherit that
        signal.signal(signal.SIGHUP, _ignore)
