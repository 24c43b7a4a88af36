"""The files, sockets and processes of one agent on this machine."""

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
"""The agent's configuration folder inside the sandbox: in memory, and removed with its processes."""


class SandboxedProcess:
    """The process tree of one agent: its entrypoint, its runtime folder, and a handle on the first process.

    `workspace` and `config` are paths as the agent sees them. The launcher copies `conversation` into the sandbox,
    where the agent resumes it.
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
        """The socket over which the launcher sends the listener of the model proxy."""
        return self.runtime_dir / "control"

    def accept(self) -> socket.socket:
        """Return the listener that the launcher has sent, and keep a handle on the agent's first process.

        Raises:
            OSError: the launcher has not sent it.
        """
        process, listeners, *_ = socket.recv_fds(self._control, 32, 1)
        # The launcher's process id is one of the sandbox's pid namespace, so bubblewrap reports the outer id. Killing
        # the first process of the namespace ends all of them.
        pid = json.loads(self.info.read_bytes())["child-pid"] if self.info.exists() else int(process)
        if sys.platform == "linux":  # on other systems there is no sandbox, and the SDK ends the agent, more slowly
            self._pidfd = os.pidfd_open(pid)
        return socket.socket(fileno=listeners[0])

    def send_heartbeat(self) -> None:
        """Send a heartbeat. After the first one, the agent ends itself if there is none for 6 s."""
        with suppress(OSError):  # the agent is not listening yet, or has ended
            if self._heartbeat_connection is None:
                self._heartbeat_connection, _ = self._heartbeat.accept()
            self._heartbeat_connection.send(b".", socket.MSG_DONTWAIT)

    def kill(self) -> None:
        """Kill the agent with all its processes. Does nothing if it has ended."""
        if self._pidfd is not None and sys.platform == "linux":
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def wait_ended(self) -> None:
        """Wait until the agent and all its processes have ended."""
        if self._pidfd is None:
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._pidfd)

    def alive(self) -> bool:
        """Return whether the agent is running."""
        if self._pidfd is None:
            return False
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

    def remove_conversation(self) -> None:
        """Remove the conversation once the launcher has copied it. Blocks."""
        with suppress(OSError):
            erase(self.conversation)

    def remove(self) -> None:
        """Release all resources. The agent must have ended. Blocks."""
        for listener in (self._control, self._heartbeat, self._heartbeat_connection):
            if listener:
                listener.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        try:
            erase(self.folder)
        except OSError as error:
            log.warning("runtime folder of an agent not fully removed", error=repr(error))
