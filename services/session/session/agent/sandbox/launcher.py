"""The launcher of an agent: opens the model proxy's port in the sandbox, sends out the listener, and execs Claude."""

import json
import os
import resource
import signal
import socket
import sys

MAX_PROCESSES = 2048
MAX_OPEN_FILES = 4096
LAUNCHER_PID = 2
"""The process id of the launcher in the sandbox; bubblewrap has 1."""
HEARTBEAT_INTERVAL_SECONDS, MAX_MISSED_HEARTBEATS = 1.0, 6


def watch(heartbeat: str) -> None:
    """Kill all processes of the sandbox when heartbeats are missing for 6 s.

    Another replica may have continued the session by then. The service sends a byte every 2 s, the first one some time
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
    """Watch the heartbeats in a process that is not a child of the agent and shares no descriptors with it."""
    if os.fork():
        os.wait()
        return
    if not os.fork():
        os.setsid()
        os.closerange(0, 256)
        watch(heartbeat)
    os._exit(0)


def copy(source: str, target: str) -> None:
    """Copy a folder, which no other process writes to, to where the agent expects it."""
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
    """Let the kernel kill the agent before the services if memory runs out: an agent can be restarted."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123  pathlib takes long to import
            score.write("1000")
    except OSError:  # not supported by this system
        pass


control_socket, *agent = sys.argv[1:]
with open(f"{os.path.dirname(control_socket)}/environment") as file:  # noqa: PTH120, PTH123  pathlib takes long to import
    environment: dict[str, str] = {**json.load(file), **os.environ}  # noqa: TID251  the variables of the agent itself
if "IS_SANDBOX" in environment and os.getpid() == LAUNCHER_PID:
    start_watch(f"{os.path.dirname(control_socket)}/heartbeat")  # noqa: PTH120
if os.path.isdir(conversation := f"{os.path.dirname(control_socket)}/conversation"):  # noqa: PTH112, PTH120
    copy(conversation, f"{environment['CLAUDE_CONFIG_DIR']}/projects")
# The kernel counts descriptors in flight between processes per account, against the limit of the sending process. The
# limit is maximal until the listener is sent, so that no agent can prevent the start of another; then it is lowered.
_, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
model = socket.create_server(("127.0.0.1", 0), backlog=128)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
    service.connect(control_socket)
    socket.send_fds(service, [str(os.getpid()).encode()], [model.fileno()])
prefer_for_oom_kill()
environment["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{model.getsockname()[1]}"
model.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (min(MAX_OPEN_FILES, hard_limit), min(MAX_OPEN_FILES, hard_limit)))
if "IS_SANDBOX" in environment:
    # Counted in the sandbox's user namespace; outside one it would count all processes of the account.
    resource.setrlimit(resource.RLIMIT_NPROC, (MAX_PROCESSES, MAX_PROCESSES))
os.execve(agent[0], agent, environment)  # noqa: S606  no shell is the point
