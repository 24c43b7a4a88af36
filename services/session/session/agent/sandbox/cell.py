"""The place of one agent on this machine."""

import asyncio
import json
import os
import select
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from runtime.files.erasing import erase
from runtime.logging import get_logger

log = get_logger()


CONFIG = Path("/home/.claude")
"""Where an agent keeps what it needs for itself: within its walls, in memory, gone with its processes."""


class SandboxedProcess:
    """The place of one agent: the program that starts it there, its papers, and a hold on its processes.

    `workspace` and `config` are paths as the agent sees them. What lies in `conversation` it takes up when it starts.
    """

    def __init__(self, workspace: Path, config: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="agent-"))
        self.workspace, self.config = workspace, config or self.folder / "config"
        self.papers = self.folder / "papers"
        self.conversation = self.papers / "conversation"
        self.entrance, self.info = self.folder / "enter", self.folder / "info"
        self.papers.mkdir()
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.setblocking(False)
        self._door.bind(str(self.door))
        self._alive = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._alive.setblocking(False)
        self._alive.bind(str(self.papers / "alive"))
        self._alive.listen(1)
        self._watcher: socket.socket | None = None
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

    def show_life(self) -> None:
        """Say that the agent may go on. Once this has been said, it ends itself when it is not said for 6 s."""
        with suppress(OSError):  # nobody listens yet, or any more
            if self._watcher is None:
                self._watcher, _ = self._alive.accept()
            self._watcher.send(b".", socket.MSG_DONTWAIT)

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

    def forget_conversation(self) -> None:
        """Remove what the agent has taken up. Blocks."""
        with suppress(OSError):
            erase(self.conversation)

    def remove(self) -> None:
        """Give back what the cell holds. Its agent must have ended. Blocks."""
        for listener in (self._door, self._alive, self._watcher):
            if listener:
                listener.close()
        if self._leader is not None:
            os.close(self._leader)
            self._leader = None
        try:
            erase(self.folder)
        except OSError as error:
            log.warning("the papers of an agent are not all erased", error=repr(error))
