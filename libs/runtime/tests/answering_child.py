"""A child program for the tests. A request is the name of a function below, and its argument."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.children.program import serve


def echo(value: Any) -> Any:
    """Return the value; print, as libraries sometimes do."""
    sys.stdout.write("printed by a library\n")
    sys.stdout.flush()
    return value


def pid(_: Any) -> int:
    """Return the id of the process."""
    return os.getpid()


def environment(_: Any) -> list[str]:
    """Return the names of the environment variables."""
    return list(os.environ)  # noqa: TID251  what the test is about


def priority(_: Any) -> int:
    """Return how nice the process is."""
    return os.getpriority(os.PRIO_PROCESS, 0)


def leave_files(_: Any) -> str:
    """Create temporary files, leave them, and return their folder."""
    for _ in range(2):
        (Path(tempfile.mkdtemp()) / "left").touch()
    return tempfile.gettempdir()


def open_files(_: Any) -> list[str]:
    """Return the open descriptors."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def open_file(path: str) -> str | None:
    """Return why a file cannot be opened, or None if it can."""
    try:
        Path(path).open().close()
    except OSError as error:
        return error.strerror
    return None


def power_tower(number: int) -> int:
    """Calculate in C, where no Python signal handler runs."""
    return (number**number**number) % 10


def use_cpu(seconds: float) -> str:
    """Use CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "done"


def allocate(size: int) -> int:
    """Allocate memory."""
    return len(bytearray(size))


def wait(_: Any) -> None:
    """Wait until the child is killed."""
    threading.Event().wait()


def wait_once(marker: str) -> str:
    """Wait until the child is killed; the second time, return."""
    if Path(marker).exists():
        return "repeated"
    Path(marker).touch()
    threading.Event().wait()
    return "never"


def end(status: int) -> None:
    """End the process."""
    os._exit(status)


ACTIONS: list[Callable[[Any], Any]] = [
    echo, pid, environment, priority, leave_files,
    open_files, open_file, power_tower, use_cpu, allocate, wait, wait_once, end
]  # fmt: skip

serve(lambda request: next(action for action in ACTIONS if action.__name__ == request[0])(request[1]))
