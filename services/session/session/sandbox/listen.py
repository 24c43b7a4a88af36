"""Runs where the agent will: opens the port of its model, hands that to the service outside, and becomes the agent."""

import json
import os
import resource
import socket
import sys

PROCESSES = 2048

door, *agent = sys.argv[1:]
with open(f"{os.path.dirname(door)}/environment") as own:  # noqa: PTH120, PTH123  pathlib takes long to import
    environment: dict[str, str] = {**json.load(own), **os.environ}  # noqa: TID251  the agent's, ours to pass on
model = socket.create_server(("127.0.0.1", 0), backlog=128)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
    service.connect(door)
    socket.send_fds(service, [str(os.getpid()).encode()], [model.fileno()])
environment["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{model.getsockname()[1]}"
model.close()
if "IS_SANDBOX" in environment:
    # Counted in the sandbox's own user namespace; outside one it would count every process of the account.
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
os.execve(agent[0], agent, environment)  # noqa: S606  no shell is the point
