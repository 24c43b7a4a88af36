"""The files, sockets and processes of one sandboxed program on this machine."""

import asyncio
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runtime.files.erasing import erase
from runtime.logging import get_logger
from runtime.process_descriptors import has_process_descriptors
from runtime.readable import wait_readable

from sandbox.cgroups import Cgroup

log = get_logger()


@dataclass(frozen=True)
class Remains:
    """The state of a sandbox between two requests to its program.

    Attributes:
        processes: besides the program, those that could not be killed.
        memory_bytes: of the program, without what it shares with other processes, and of files in memory.
    """

    processes: int
    memory_bytes: int


class SandboxedProcess:
    """The process tree of one program: its entrypoint, its runtime folder, and a handle on the first process.

    `home` and `cwd` are paths as the program sees them; without a sandbox, the home directory is beside the runtime
    folder. The launcher copies the content of `initial_home` to the home directory. The processes are in `cgroup`, if
    there is one.
    """

    def __init__(self, home: Path | None, workspace: Path | None, cgroup: Cgroup | None = None) -> None:
        self._cgroup = cgroup
        self.folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
        self.home = home or self.folder / "home"
        self.cwd = workspace or self.home
        self.runtime_dir = self.folder / "run"
        self.initial_home = self.runtime_dir / "home"
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
        self._connecting = threading.Lock()
        self._pidfd: int | None = None

    @property
    def control_socket(self) -> Path:
        """The socket over which the launcher reports the start of the program, and sends its listener."""
        return self.runtime_dir / "control"

    @property
    def enter_cgroup(self) -> str:
        """The line of a shell script that moves it into the cgroup; empty if there is none."""
        return f"{self._cgroup.enter}\n" if self._cgroup else ""

    async def wait_started(self) -> socket.socket | None:
        """Wait until the launcher is about to execute the program; return its listener, if it has one."""
        await wait_readable(self._control)
        return self._receive()

    def accept(self) -> socket.socket:
        """Return the listener that the launcher has sent, without waiting for it.

        Raises:
            OSError: the launcher has not sent it.
        """
        if listener := self._receive():
            return listener
        raise OSError("The program has no listener.")

    def _receive(self) -> socket.socket | None:
        process, listeners, *_ = socket.recv_fds(self._control, 32, 1)
        # The launcher's process id is one of the sandbox's pid namespace, so bubblewrap reports the outer id. Killing
        # the first process of the namespace ends all of them.
        pid = json.loads(self.info.read_bytes())["child-pid"] if self.info.exists() else int(process)
        # Without descriptors of processes, there is no sandbox, and the SDK ends the agent, more slowly.
        if sys.platform == "linux" and has_process_descriptors():
            with suppress(ProcessLookupError):  # it has ended already
                self._pidfd = os.pidfd_open(pid)
        return socket.socket(fileno=listeners[0]) if listeners else None

    def send_heartbeat(self, *, yields: bool = False) -> None:
        """Send a heartbeat. After the first one, the program is killed if there is none for 6 s.

        Until the next one, the program with all its processes leaves some of the processors to others if it `yields`.
        """
        with suppress(OSError):  # the launcher is not listening yet, or the program has ended
            self._connected().send(b"-" if yields else b".", socket.MSG_DONTWAIT)

    def _connected(self) -> socket.socket:
        """Return the connection of the launcher, which connects before the program can."""
        with self._connecting:
            if self._heartbeat_connection is None:
                self._heartbeat_connection, _ = self._heartbeat.accept()
                self._heartbeat_connection.setblocking(False)
                self._heartbeat.close()
            return self._heartbeat_connection

    async def end_children(self) -> Remains:
        """Kill all processes of the sandbox but the program itself, which expects that, and return what remains.

        Raises:
            OSError: the program has ended.
        """
        connection, loop = self._connected(), asyncio.get_running_loop()
        await loop.sock_sendall(connection, b"?")
        answer = b""
        while not answer.endswith(b"\n"):
            if not (part := await loop.sock_recv(connection, 256)):
                raise ConnectionResetError("The sandbox has ended.")
            answer += part
        return Remains(*json.loads(answer))

    def kill(self) -> None:
        """Kill the program with all its processes. Does nothing if it has ended."""
        if self._pidfd is not None and sys.platform == "linux":
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def wait_ended(self) -> None:
        """Wait until the program and all its processes have ended."""
        if self._pidfd is not None:
            await wait_readable(self._pidfd)

    def alive(self) -> bool:
        """Return whether the program is running."""
        if self._pidfd is None:
            return False
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed the program because it exceeded its memory."""
        return self._cgroup is not None and self._cgroup.ran_out_of_memory()

    def remove_initial_home(self) -> None:
        """Remove the initial content of the home directory once the launcher has copied it. Blocks."""
        with suppress(OSError):
            erase(self.initial_home)

    def remove(self) -> None:
        """Release all resources. The program must have ended. Blocks."""
        for listener in (self._control, self._heartbeat, self._heartbeat_connection):
            if listener:
                listener.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        if self._cgroup:
            self._cgroup.remove()
        try:
            erase(self.folder)
        except OSError as error:
            log.warning("runtime folder of a sandbox not fully removed", error=repr(error))
