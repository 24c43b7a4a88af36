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
    """The place of one agent: the program that starts it there, its runtime_dir, and a hold on its processes.

    `workspace` and `config` are paths as the agent sees them. What lies in `conversation` it takes up when it starts.
    """

    def __init__(self, workspace: Path, config: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="agent-"))
        self.workspace, self.config = workspace, config or self.folder / "config"
        self.runtime_dir = self.folder / "run"
        self.conversation = self.runtime_dir / "conversation"
        self.entrypoint, self.info = self.folder / "entrypoint", self.folder / "info"
        self.runtime_dir.mkdir()
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._control.setblocking(False)
        self._control.bind(str(self.control_socket))
        self._heartbeat = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._heartbeat.setblocking(False)
        self._heartbeat.bind(str(self.runtime_dir / "heartbeat"))
        self._heartbeat.listen(1)
        self._heartbeat_connection: socket.socket | None = None
        self._pidfd: int | None = None

    @property
    def control_socket(self) -> Path:
        """The socket at which the agent hands out the listener of its model."""
        return self.runtime_dir / "control"

    def accept(self) -> socket.socket:
        """Take the agent's listener, and the hold on its processes.

        Raises:
            OSError: no agent has started here.
        """
        process, listeners, *_ = socket.recv_fds(self._control, 32, 1)
        # Within walls the agent knows its process by another number. Who kills the first process there ends them all.
        pid = json.loads(self.info.read_bytes())["child-pid"] if self.info.exists() else int(process)
        if sys.platform == "linux":  # elsewhere there are no walls, and the SDK ends the agent, more slowly
            self._pidfd = os.pidfd_open(pid)
        return socket.socket(fileno=listeners[0])

    def send_heartbeat(self) -> None:
        """Say that the agent may go on. Once this has been said, it ends itself when it is not said for 6 s."""
        with suppress(OSError):  # nobody listens yet, or any more
            if self._heartbeat_connection is None:
                self._heartbeat_connection, _ = self._heartbeat.accept()
            self._heartbeat_connection.send(b".", socket.MSG_DONTWAIT)

    def kill(self) -> None:
        """End the agent with all its processes, at once; nothing happens when it has ended."""
        if self._pidfd is not None and sys.platform == "linux":
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def wait_ended(self) -> None:
        """Wait until the agent and all its processes have ended."""
        if self._pidfd is None:
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pidfd, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._pidfd)

    def alive(self) -> bool:
        """Whether the agent runs."""
        if self._pidfd is None:
            return False
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

    def remove_conversation(self) -> None:
        """Remove what the agent has taken up. Blocks."""
        with suppress(OSError):
            erase(self.conversation)

    def remove(self) -> None:
        """Give back what the process holds. Its agent must have ended. Blocks."""
        for listener in (self._control, self._heartbeat, self._heartbeat_connection):
            if listener:
                listener.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        try:
            erase(self.folder)
        except OSError as error:
            log.warning("the runtime_dir of an agent are not all erased", error=repr(error))
