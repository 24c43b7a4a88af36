"""Runs where the agent will: opens the port of its model, hands that to the service outside, and becomes the agent."""

import json
import os
import resource
import signal
import socket
import sys

MAX_PROCESSES = 2048
MAX_OPEN_FILES = 4096
LAUNCHER_PID = 2
"""The number of this process within the walls; the first one there is bubblewrap's."""
HEARTBEAT_INTERVAL_SECONDS, MAX_MISSED_HEARTBEATS = 1.0, 6


def watch(heartbeat: str) -> None:
    """End all that runs within the walls when the service shows no life for 6 s: others may have gone on by then.

    It sends a byte now and then, the first of them a while after it started us.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as service:
        service.connect(heartbeat)
        missed = 0 if service.recv(64) else MAX_MISSED_HEARTBEATS + 1
        service.settimeout(HEARTBEAT_INTERVAL_SECONDS)
        while missed < MAX_MISSED_HEARTBEATS:  # looks are counted, not seconds: the whole machine may have stood still
            try:
                missed = 0 if service.recv(64) else MAX_MISSED_HEARTBEATS + 1
            except TimeoutError:
                missed += 1
    if missed == MAX_MISSED_HEARTBEATS:  # else the agent has ended
        os.kill(-1, signal.SIGKILL)


def start_watch(heartbeat: str) -> None:
    """Watch in a process that the agent does not know as its child, and that holds nothing of it open."""
    if os.fork():
        os.wait()
        return
    if not os.fork():
        os.setsid()
        os.closerange(0, 256)
        watch(heartbeat)
    os._exit(0)


def copy(source: str, target: str) -> None:
    """Copy the files of a folder, which nobody else writes to, to where the agent looks for them."""
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
    """Be what the kernel ends when memory runs out, rather than a service: an agent can be started again."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123  pathlib takes long to import
            score.write("1000")
    except OSError:  # no such thing here
        pass


control_socket, *agent = sys.argv[1:]
with open(f"{os.path.dirname(control_socket)}/environment") as file:  # noqa: PTH120, PTH123  pathlib takes long to import
    environment: dict[str, str] = {**json.load(file), **os.environ}  # noqa: TID251  the agent's, service_variables to pass on
if "IS_SANDBOX" in environment and os.getpid() == LAUNCHER_PID:
    start_watch(f"{os.path.dirname(control_socket)}/heartbeat")  # noqa: PTH120
if os.path.isdir(conversation := f"{os.path.dirname(control_socket)}/conversation"):  # noqa: PTH112, PTH120
    copy(conversation, f"{environment['CLAUDE_CONFIG_DIR']}/projects")
# How many descriptors may be under way between processes is counted for the whole account, against the limit of the
# process that sends one. Ours is as high as it can be until the listener is handed out; that of every agent is low.
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
    # Counted in the sandbox's agent_variables user namespace; outside one it would count every process of the account.
    resource.setrlimit(resource.RLIMIT_NPROC, (MAX_PROCESSES, MAX_PROCESSES))
os.execve(agent[0], agent, environment)  # noqa: S606  no shell is the point
