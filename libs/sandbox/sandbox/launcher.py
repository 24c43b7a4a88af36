"""The launcher of a program: opens a port in its sandbox, sends the listener to the service, and execs the program."""

import json
import os
import resource
import signal
import socket
import sys

MAX_OPEN_FILES = 4096
LAUNCHER_PID = 2
"""The process id of the launcher in the sandbox; bubblewrap has 1."""
HEARTBEAT_INTERVAL_SECONDS, MAX_MISSED_HEARTBEATS = 1.0, 6


def watch(heartbeat: str) -> None:
    """Kill all processes of the sandbox when heartbeats are missing for 6 s.

    Another replica may have taken over the work by then. The service sends a byte every 2 s, the first one some time
    after the start.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as service:
        service.connect(heartbeat)
        missed = 0 if service.recv(64) else MAX_MISSED_HEARTBEATS + 1
        service.settimeout(HEARTBEAT_INTERVAL_SECONDS)
        while (
            missed < MAX_MISSED_HEARTBEATS
        ):  # attempts are counted instead of seconds, because the whole machine may have been suspended
            try:
                missed = 0 if service.recv(64) else MAX_MISSED_HEARTBEATS + 1
            except TimeoutError:
                missed += 1
    if missed == MAX_MISSED_HEARTBEATS:  # otherwise the service closed the connection
        os.kill(-1, signal.SIGKILL)


def start_watch(heartbeat: str) -> None:
    """Watch the heartbeats in a process that is not a child of the program and shares no descriptors with it."""
    if os.fork():
        os.wait()
        return
    if not os.fork():
        os.setsid()
        os.closerange(0, 256)
        watch(heartbeat)
    os._exit(0)


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


control_socket, *command = sys.argv[1:]
runtime_dir = os.path.dirname(control_socket)  # noqa: PTH120  pathlib takes long to import
with open(f"{runtime_dir}/launch") as file:  # noqa: PTH123
    launch = json.load(file)
environment: dict[str, str] = {**launch["variables"], **os.environ}  # noqa: TID251  the variables of the program itself
is_sandbox = "IS_SANDBOX" in environment
if is_sandbox and os.getpid() == LAUNCHER_PID:
    start_watch(f"{runtime_dir}/heartbeat")
if os.path.isdir(f"{runtime_dir}/home"):  # noqa: PTH112
    copy(f"{runtime_dir}/home", environment["HOME"])
_, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
listeners = [open_listener()] if launch["listener_variables"] else []
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
    service.connect(control_socket)
    socket.send_fds(service, [str(os.getpid()).encode()], [listener.fileno() for listener in listeners])
prefer_for_oom_kill()
for listener in listeners:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environment.update(dict.fromkeys(launch["listener_variables"], url))
    listener.close()
restrict(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
if is_sandbox:
    # Processes are counted in the sandbox's user namespace; outside one, all of the account would be counted.
    limits = {resource.RLIMIT_NPROC: launch["max_processes"], resource.RLIMIT_DATA: launch["max_data_bytes"]}
    for kind, limit in limits.items():
        if limit:
            restrict(kind, limit)
try:
    os.execvpe(command[0], command, environment)  # noqa: S606  no shell is the point
except OSError as error:
    sys.exit(f"{command[0]}: {error.strerror}")
