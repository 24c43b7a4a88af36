"""A fake service: it answers on its ports, and stops on SIGTERM.

Arguments: fail | wrong | unready | unconfined."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

behaviour, env = sys.argv[1:], os.environ  # noqa: TID251  as the settings of a service


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if "unready" in behaviour else 200)
        self.end_headers()
        bodies = {"unready": b"the database does not answer", "unconfined": b"agent_sandbox 0.0"}
        self.wfile.write(next((bodies[word] for word in behaviour if word in bodies), b"ok"))

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


if "fail" in behaviour:
    sys.exit("failed")
if "wrong" in behaviour:
    sys.stderr.write("MODEL_API_KEY: is wrong\n")
    sys.exit(2)
if "FIRST_ADMIN_FILE" in env and "ADMIN_PASSWORD" not in env:
    Path(env["FIRST_ADMIN_FILE"]).write_text(json.dumps({"email": "admin@localhost", "password": "made up"}))
servers = [HTTPServer(("127.0.0.1", int(env[name])), Answer) for name in ("PORT", "OPS_PORT") if name in env]
threads = [Thread(target=server.serve_forever, args=(0.02,)) for server in servers]


def shut_down(*_: object) -> None:
    for server in servers:
        Thread(target=server.shutdown).start()


signal.signal(signal.SIGTERM, shut_down)
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.stdout.write("stopped\n")
