"""Runs where the agent will: opens the port of its model, hands that to the service outside, and becomes the agent."""

import os
import socket
import sys

door, leader, *agent = sys.argv[1:]
model = socket.create_server(("127.0.0.1", 0), backlog=128)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
    service.connect(door)
    socket.send_fds(service, [leader.encode()], [model.fileno()])
os.environ["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:{}".format(model.getsockname()[1])
model.close()
os.execv(agent[0], agent)
