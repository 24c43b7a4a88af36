#!/usr/bin/env -S python3 -IS
"""Exits with 0 if the service in this container is ready: the health check of all images."""

import http.client
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["OPS_PORT"]), timeout=4)
connection.request("GET", "/health/ready")
response = connection.getresponse()
sys.stdout.write(response.read(4096).decode())
sys.exit(response.status != 200)
