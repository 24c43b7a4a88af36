"""The process of a STDIO server, from its start to its end."""

import asyncio
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import anyio
from runtime import subprocesses
from sandbox import Program, Sandbox, SandboxedProcess

GRACE_SECONDS = 1.0
"""How long a program may take to end by itself when its input is closed."""


class Running:
    """A program that is running: its sandbox, and its pipes."""

    def __init__(self, sandboxed: SandboxedProcess, process: Process) -> None:
        self.sandboxed, self._process = sandboxed, process
        self.stdin = cast(asyncio.StreamWriter, process.stdin)
        self.stdout = cast(asyncio.StreamReader, process.stdout)
        self.stderr = cast(asyncio.StreamReader, process.stderr)

    async def wait_started(self) -> socket.socket | None:
        """Wait until the program starts; return its listener, if it has one.

        Raises:
            ProcessLookupError: it ended before.
        """
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(self.sandboxed.wait_started())
            ending = tasks.create_task(self._process.wait())
            await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
            starting.cancel()
            ending.cancel()
        if starting.cancelled():
            raise ProcessLookupError
        return starting.result()

    async def status(self, seconds: float) -> int | None:
        """Return the status of the program, or None if it is still running after some seconds."""
        with anyio.move_on_after(seconds):
            await self._process.wait()
        return self._process.returncode

    async def end(self) -> None:
        """Close the input of the program, and kill it with all its processes if it does not end in time."""
        try:
            self.stdin.close()
            with anyio.move_on_after(GRACE_SECONDS):
                await self.sandboxed.wait_ended()
        finally:
            self.sandboxed.kill()


@asynccontextmanager
async def run(sandbox: Sandbox, program: Program) -> AsyncGenerator[Running]:
    """Run a program, and end it on exit, even if the task is cancelled.

    Raises:
        OSError: it could not be started.
    """
    sandboxed = sandbox.prepare(program)
    try:
        async with subprocesses.running(sandboxed.entrypoint, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
            running = Running(sandboxed, process)
            try:
                yield running
            finally:
                with anyio.CancelScope(shield=True):
                    await running.end()
    finally:
        with anyio.CancelScope(shield=True):
            await asyncio.to_thread(sandboxed.remove)
