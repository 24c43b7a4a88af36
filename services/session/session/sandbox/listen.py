"""Runs where the agent will: opens the port of its model, hands that to the service outside, and becomes the agent."""

import json
import os
import resource
import socket
import sys

PROCESSES = 2048
FILES = 4096

door, *agent = sys.argv[1:]
with open(f"{os.path.dirname(door)}/environment") as given:  # noqa: PTH120, PTH123  pathlib takes long to import
    environment: dict[str, str] = {**json.load(given), **os.environ}  # noqa: TID251  the agent's, ours to pass on
# How many descriptors may be under way between processes is counted for the whole account, against the limit of the
# process that sends one. Ours is as high as it can be until the listener is handed out; that of every agent is low.
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
model = socket.create_server(("127.0.0.1", 0), backlog=128)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
    service.connect(door)
    socket.send_fds(service, [str(os.getpid()).encode()], [model.fileno()])
environment["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{model.getsockname()[1]}"
model.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), min(FILES, most)))
if "IS_SANDBOX" in environment:
    # Counted in the sandbox's own user namespace; outside one it would count every process of the account.
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
os.execve(agent[0], agent, environment)  # noqa: S606  no shell is the point
