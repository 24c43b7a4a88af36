"""One child process of `runtime.children.pool`, seen from the parent."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, cast

from runtime.children.program import OUT_OF_MEMORY, Limits
from runtime.logging import get_logger
from runtime.subprocesses import outlast, running

log = get_logger()

START_TIMEOUT = 600.0
"""Seconds on the clock. Many programs that compete for the processor make a start of seconds take minutes."""
NICENESS = 5
"""How much lower the priority of a child is than that of its service, which answers users."""
ENVIRONMENT = {"LANG": "C.UTF-8"}
"""The environment variables of every child. The service's own contain its secrets."""
NOTHING: Mapping[str, str] = MappingProxyType({})

MAX_LOGGED_BYTES = 64 * 1024
"""Of what one child writes to standard error; the rest is dropped."""

KILLED = (0, -signal.SIGTERM, -signal.SIGKILL)
"""Exit statuses of a child that an operator ended, or the kernel because the machine ran out of memory."""


class ChildUnavailable(Exception):
    """There is no reply, for a reason that is not in the request: repeating it later may succeed."""


class ChildKilled(ChildUnavailable):
    """The child was killed from outside."""


class ChildNotStarted(ChildUnavailable):
    """Children end before they are ready. What they wrote to standard error is in the log, and says why."""


class LimitExceeded(Exception):
    """The request used more than a child may, or crashed it: repeating it does not help. The message is a clause."""


class TimeExceeded(LimitExceeded):
    """The request used too much CPU time."""


class ChildCrashed(LimitExceeded):
    """The request raised an exception in the child, or crashed it. What the child wrote to standard error says why."""


class ChildProcess:
    """A child that is ready. After an exception of `ask` it must not be used again."""

    def __init__(self, process: Process, limits: Limits) -> None:
        self._process, self._limits = process, limits
        self._stdin, self._stdout = (
            cast(asyncio.StreamWriter, process.stdin),
            cast(asyncio.StreamReader, process.stdout),
        )

    @classmethod
    @asynccontextmanager
    async def start(
        cls, program: Path, limits: Limits, environment: Mapping[str, str] = NOTHING
    ) -> "AsyncGenerator[ChildProcess]":
        """Start a child, yield it when it is ready, and kill it on exit, when its temporary files are removed."""
        command = (sys.executable, "-I", program, json.dumps(asdict(limits)))  # -I ignores PYTHONPATH and the folder
        pipes = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
        with _temporary_files(limits) as folder:
            env = {**ENVIRONMENT, **folder, **environment}
            async with (
                running(*command, **pipes, env=env, cwd="/", limit=limits.reply_bytes) as process,
                cls._ready(process, limits) as child,
            ):
                yield child

    @classmethod
    @asynccontextmanager
    async def _ready(cls, process: Process, limits: Limits) -> "AsyncGenerator[ChildProcess]":
        _lower_priority(process.pid)
        errors = asyncio.get_running_loop().create_task(_log_errors(cast(asyncio.StreamReader, process.stderr)))
        try:
            child = cls(process, limits)
            async with asyncio.timeout(START_TIMEOUT):
                await child._read()
            yield child
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await outlast(errors)  # until the end of the output

    async def ask(self, line: bytes) -> Any:
        """Return the reply to a line of JSON.

        Raises:
            ChildUnavailable: it did not reply in time, or was killed (`ChildKilled`).
            LimitExceeded: it used too much CPU time or memory, its reply is too large, or it crashed the child.
        """
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                with suppress(ConnectionError):  # the child has ended; its exit status says why
                    self._stdin.write(line)
                    await self._stdin.drain()
                return await self._read()
        except TimeoutError:
            raise ChildUnavailable(f"The child process did not reply within {self._limits.wall_seconds:g} s.") from None

    async def wait(self) -> int:
        """Wait until the child ends, and return its exit status, which is negative if a signal ended it."""
        return await self._process.wait()

    async def _read(self) -> Any:
        try:
            line = await self._stdout.readline()
        except ValueError:
            raise LimitExceeded(f"its reply has more than {self._limits.reply_bytes:,} bytes") from None
        if line.endswith(b"\n"):
            return json.loads(line)
        status = await self.wait()
        if status in KILLED:
            raise ChildKilled("The child process was killed.")
        if status == -signal.SIGPROF:
            raise TimeExceeded("it used too much CPU time")
        if status == OUT_OF_MEMORY:
            raise LimitExceeded("it used too much memory")
        raise ChildCrashed(f"it ended the process with status {status}")


@contextmanager
def _temporary_files(limits: Limits) -> Generator[dict[str, str]]:
    """Yield the variable that names a folder for temporary files, which is removed even if the child was killed."""
    if limits.open_files == 0:  # then it can create none
        yield {}
        return
    with TemporaryDirectory(prefix="child-", ignore_cleanup_errors=True) as folder:
        yield {"TMPDIR": folder}


def _lower_priority(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has ended already
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)  # at most 19


async def _log_errors(errors: asyncio.StreamReader) -> None:
    """Log what a child writes to standard error as a value: libraries quote content, which must not forge lines."""
    logged = 0
    while output := await errors.read(MAX_LOGGED_BYTES):
        if logged < MAX_LOGGED_BYTES:
            log.warning("output of a child process", output=output.decode(errors="replace"))
        logged += len(output)
