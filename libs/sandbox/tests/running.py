"""Runs programs in sandboxes."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from sandbox import Program, Sandbox, SandboxedProcess


def shell(script: str) -> Program:
    """Return a program that is a shell script."""
    return Program(command=("/bin/sh", "-c", script))


@asynccontextmanager
async def started(sandbox: Sandbox, program: Program) -> AsyncGenerator[tuple[SandboxedProcess, Process]]:
    """Start a program, and end it on exit."""
    sandboxed = sandbox.prepare(program)
    process = await asyncio.create_subprocess_exec(sandboxed.entrypoint, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        yield sandboxed, process
    finally:
        sandboxed.kill()
        await process.communicate()
        await asyncio.to_thread(sandboxed.remove)


async def output_of(sandbox: Sandbox, program: Program | str, **changes: object) -> str:
    """Run a program or a shell script, and return what it prints."""
    program = shell(program) if isinstance(program, str) else program
    async with started(sandbox, replace(program, **changes)) as (_, process):  # pyright: ignore[reportArgumentType]
        output, _ = await process.communicate()
        return output.decode().strip()
