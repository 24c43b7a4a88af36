"""The first process in a sandbox: it opens a port, sends the listener to the service, runs the program and watches it.

No process in the sandbox can kill, suspend or trace the first one, and all of them end with it. The filter of system
calls holds for the program and what it starts, not for this process. Without a sandbox, the program replaces it.
"""

import ctypes
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from memory import memory_of
from processors import Processors

MAX_OPEN_FILES = 4096
REQUEST, YIELD = b"?", b"-"
KILL_PASSES, PASS_SECONDS = 100, 0.01
HEARTBEAT_INTERVAL_SECONDS, MAX_MISSED_HEARTBEATS = 1.0, 6
PR_SET_DUMPABLE, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 4, 22, 2
FILTER_STEP_BYTES = 8
NICENESS = 10
"""Of sessions, and of a program above that of this process, which has as much above the service."""
CHANGE_SECONDS = 0.12
"""The kernel allows ten changes of the priority of a session a second, of all processes."""
SCHEDULED_BY_SESSION = "/proc/sys/kernel/sched_autogroup_enabled"


class Watch:
    """Ends the sandbox with the program, and when heartbeats are missing for 6 s.

    Another replica may have taken over the work by then. The service sends a byte every 2 s, the first one some time
    after the start, and when the sandbox is to use fewer processors or all again. The byte says which.
    """

    def __init__(self, program: int, service: socket.socket, processors: Processors) -> None:
        self._program, self._service, self._processors = program, service, processors
        self._status: int | None = None
        self._missed, self._due = 0, math.inf  # until the first heartbeat
        self._lower_due = 0.0 if is_set(SCHEDULED_BY_SESSION) else math.inf
        # An agent can end children as fast as it likes, but not so that heartbeats are not counted.
        self._child_ended, wake_up = os.pipe()
        for descriptor in (self._child_ended, wake_up):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(wake_up, warn_on_full_buffer=False)

    def run(self) -> int:
        """Return the exit status of the program, as a shell reports it; all its processes end with this one."""
        while self._runs() and self._missed < MAX_MISSED_HEARTBEATS:
            due = min(self._due, self._lower_due)
            wait = None if due == math.inf else max(0.0, due - time.monotonic())
            ready, _, _ = select.select([self._service, self._child_ended], [], [], wait)
            if self._child_ended in ready:
                os.read(self._child_ended, 4096)
            if self._service in ready:
                self._receive()
            self._count()
        return 128 + signal.SIGKILL if self._status is None else self._status

    def _count(self) -> None:
        # Attempts are counted instead of seconds, because the whole machine may have been suspended.
        if time.monotonic() >= self._due:
            self._missed += 1
            self._due = time.monotonic() + HEARTBEAT_INTERVAL_SECONDS
        if time.monotonic() >= self._lower_due:
            all_are_low = lower_sessions()
            self._lower_due = time.monotonic() + (HEARTBEAT_INTERVAL_SECONDS if all_are_low else CHANGE_SECONDS)

    def _receive(self) -> None:
        try:
            data = self._service.recv(64)
        except ConnectionError:
            data = b""
        self._due = time.monotonic() + HEARTBEAT_INTERVAL_SECONDS
        self._missed = 0 if data else MAX_MISSED_HEARTBEATS  # the service has ended, or does not need the program
        if states := data.replace(REQUEST, b""):
            self._processors.use(yields=states.endswith(YIELD))
        if REQUEST in data:
            remaining = self._kill_others()
            memory = memory_of(self._program, launch["memory_folders"])
            self._service.sendall(json.dumps([remaining, memory]).encode() + b"\n")

    def _kill_others(self) -> int:
        """Kill all processes but the program and this one; return how many remain: it may not wait for its children."""
        passes = 0
        while (found := [pid for pid in others() if pid != self._program]) and passes < KILL_PASSES:
            for pid in found:
                kill(pid)
            time.sleep(PASS_SECONDS)
            passes += 1
            if not self._runs():  # and all others end with it
                return 0
        return len(found)

    def _runs(self) -> bool:
        """Return whether the program has not ended; release children that lost their parents."""
        while self._status is None:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return True
            if pid == self._program:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code
        return False


def _ignore(*_: object) -> None:
    """Handle a signal: only its wake-up matters."""


def is_set(setting: str) -> bool:
    """Return whether a setting of the kernel is 1."""
    try:
        with open(setting) as file:  # noqa: PTH123
            return file.read().strip() == "1"
    except OSError:
        return False


def others() -> list[int]:
    """Return the ids of all processes of the sandbox but this one."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and name != "1"]  # noqa: PTH208


def kill(pid: int) -> None:
    """Kill a process, if it has not ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def lower_sessions() -> bool:
    """Lower the priority of all sessions (`setsid`) of the sandbox; return whether all have it now.

    Where the kernel divides the processor among sessions, the niceness of a process counts within its session only.
    """
    for pid in others():
        try:
            with open(f"/proc/{pid}/autogroup", "r+b", buffering=0) as group:  # noqa: PTH123
                if not group.read().endswith(b" nice %d\n" % NICENESS):
                    group.write(b"%d" % NICENESS)
        except BlockingIOError:  # the kernel allows no more changes at this moment
            return False
        except OSError:  # it has ended
            continue
    return True


def lower_priority() -> None:
    """Let programs yield to the services, which answer users. No program can take that back."""
    os.nice(NICENESS)
    if is_sandbox:
        restrict(resource.RLIMIT_NICE, 0)
        if is_set(SCHEDULED_BY_SESSION):
            lower_sessions()  # its own, while it starts; if it is not allowed at this moment, `Watch` does it


def copy(source: str, target: str) -> None:
    """Copy a folder, which no other process writes to, to where the program expects it."""
    os.makedirs(target, mode=0o700, exist_ok=True)  # noqa: PTH103  pathlib takes long to import
    with os.scandir(source) as found:
        for entry in found:
            if entry.is_dir():
                copy(entry.path, f"{target}/{entry.name}")
                continue
            with open(entry.path, "rb") as file, open(f"{target}/{entry.name}", "wb") as copied:  # noqa: PTH123
                while os.sendfile(copied.fileno(), file.fileno(), None, 2**20):
                    pass


def prefer_for_oom_kill() -> None:
    """Let the kernel kill the program before the services if memory runs out: it can be restarted."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123  pathlib takes long to import
            score.write("1000")
    except OSError:  # not supported by this system
        pass


def restrict(kind: int, limit: int) -> None:
    """Set a limit of the program, or keep that of the service if it is lower."""
    _, present = resource.getrlimit(kind)
    if present != resource.RLIM_INFINITY:
        limit = min(limit, present)
    resource.setrlimit(kind, (limit, limit))


def open_listener() -> socket.socket:
    """Open a listener, and allow to send it, whatever other programs of this account do.

    The kernel counts descriptors in flight between processes per account, against the limit of the sending process. The
    limit is maximal until the listener is sent, so that no program can prevent the start of another.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def set_dumpable(value: int) -> None:
    """Set whether other processes of the account may open the memory and the descriptors of this one."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, ctypes.c_ulong(value))


class Filter(ctypes.Structure):
    """A `struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def deny_calls(steps: bytes) -> None:
    """Install the filter of system calls, for this process and all that it starts."""
    filters = Filter(len(steps) // FILTER_STEP_BYTES, steps)
    if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filters)):
        sys.exit("The filter of system calls cannot be installed.")


def run(command: list[str], variables: dict[str, str]) -> None:
    """Replace this process by the program, with its limits."""
    prefer_for_oom_kill()
    lower_priority()
    restrict(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    if is_sandbox:
        # Processes are counted in the sandbox's user namespace; outside one, all of the account would be counted.
        limits = {resource.RLIMIT_NPROC: launch["max_processes"], resource.RLIMIT_DATA: launch["max_data_bytes"]}
        limits[resource.RLIMIT_FSIZE] = launch["max_file_bytes"]
        for kind, limit in limits.items():
            if limit:
                restrict(kind, limit)
        with open(f"{runtime_dir}/filter", "rb") as filters:  # noqa: PTH123  pathlib takes long to import
            deny_calls(filters.read())
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606  no shell is the point
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def run_and_watch(command: list[str], variables: dict[str, str], heartbeat: socket.socket) -> None:
    """Run the program as a child, and end with it."""
    processors = Processors(yields=launch["yields"])
    set_dumpable(0)
    program = os.fork()
    if not program:
        set_dumpable(1)  # otherwise its own folder in /proc is closed to it
        os.setsid()
        processors.begin()
        run(command, variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process gets only signals that it handles
    os.closerange(0, 3)  # the program's pipes close when the program closes them
    sys.exit(Watch(program, heartbeat, processors).run())


control_socket, *command = sys.argv[1:]
runtime_dir = os.path.dirname(control_socket)  # noqa: PTH120  pathlib takes long to import
with open(f"{runtime_dir}/launch") as file:  # noqa: PTH123
    launch = json.load(file)
environment: dict[str, str] = {**launch["variables"], **os.environ}  # noqa: TID251  the variables of the program itself
is_sandbox = "IS_SANDBOX" in environment
heartbeat = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
if is_sandbox:
    heartbeat.connect(f"{runtime_dir}/heartbeat")
if os.path.isdir(f"{runtime_dir}/home"):  # noqa: PTH112
    copy(f"{runtime_dir}/home", environment["HOME"])
_, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
listeners = [open_listener()] if launch["listener_variables"] else []
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
    service.connect(control_socket)
    socket.send_fds(service, [str(os.getpid()).encode()], [listener.fileno() for listener in listeners])
for listener in listeners:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environment.update(dict.fromkeys(launch["listener_variables"], url))
    listener.close()
if is_sandbox:
    run_and_watch(command, environment, heartbeat)
else:
    run(command, environment)
