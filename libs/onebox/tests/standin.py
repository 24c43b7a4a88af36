"""A stand-in for a service: answers on the port it is told, and ends when asked.

Arguments: fail | wrong | unready | unconfined."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

behaviour, told = sys.argv[1:], os.environ  # noqa: TID251  it plays a service, whose settings come this way


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if "unready" in behaviour else 200)
        self.end_headers()
        said = {"unready": b"the database does not answer", "unconfined": b"agent_sandbox 0.0"}
        self.wfile.write(next((said[word] for word in behaviour if word in said), b"ok"))

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


if "fail" in behaviour:
    sys.exit("it hurts")
if "wrong" in behaviour:
    sys.stderr.write("MODEL_API_KEY: is wrong\n")
    sys.exit(2)
if "FIRST_ADMIN_FILE" in told and "ADMIN_PASSWORD" not in told:
    Path(told["FIRST_ADMIN_FILE"]).write_text(json.dumps({"email": "admin@localhost", "password": "made up"}))
server = HTTPServer(("127.0.0.1", int(told.get("PORT") or told["OPS_PORT"])), Answer)
signal.signal(signal.SIGTERM, lambda _number, _frame: Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.02)
server.server_close()
sys.stdout.write("stopped\n")
