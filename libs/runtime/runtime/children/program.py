"""The child's side of a pool of children. It imports little, so that a child starts fast and has little to attack."""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

OUT_OF_MEMORY = 71
"""Exit status of a child that reached its memory limit."""


@dataclass(frozen=True)
class Limits:
    """Limits of one request to a child.

    `memory_bytes` is what the process may map in addition to what it has when it becomes ready. `open_files` includes
    those that it has open then; with 0 it can open nothing. `wall_seconds` is also how long a request may wait.
    """

    cpu_seconds: float = 1.0
    wall_seconds: float = 10.0
    memory_bytes: int = 256 * 1024 * 1024
    open_files: int = 0
    reply_bytes: int = 4 * 1024 * 1024


def serve(work: Callable[[Any], Any]) -> None:
    """Answer the requests of the pool with `work`, which takes and returns JSON values, until the pool ends.

    Everything that `work` needs must have been imported before. An exception of `work` ends the child.
    """
    limits = Limits(**json.loads(sys.argv[1]))
    replies = _take_standard_output()
    _restrict(limits)
    try:
        _send(replies, None)  # ready
        for line in sys.stdin.buffer:
            signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
            reply = work(json.loads(line))
            _send(replies, reply)
            signal.setitimer(signal.ITIMER_PROF, 0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BrokenPipeError:  # the pool has ended
        os._exit(0)


def _take_standard_output() -> BinaryIO:
    """Return a file for replies, and leave no other open than the standard streams."""
    replies = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not get between the replies
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  only names
        if descriptor > sys.stderr.fileno() and descriptor != replies:
            with suppress(OSError):  # the listed folder itself, which is closed already
                os.close(descriptor)  # what the parent left inheritable
    return os.fdopen(replies, "wb")


def _restrict(limits: Limits) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the pool ends its children
    # The kernel ends the process when the timer expires. A handler would have to wait for a long operation in C.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind, limit in (
        (resource.RLIMIT_AS, mapped + limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),  # a core dump would contain what users sent
        (resource.RLIMIT_NOFILE, limits.open_files),
    ):
        resource.setrlimit(kind, (limit, limit))


def _send(replies: BinaryIO, reply: Any) -> None:
    replies.write(json.dumps(reply).encode() + b"\n")
    replies.flush()
