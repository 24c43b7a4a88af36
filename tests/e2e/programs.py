"""The programs in `examples/`, as processes, and the servers that they talk to."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from onebox.children import allowed_environment
from onebox.ports import ReservedPort
from onebox.testing.system import until

from tests.e2e.user import User

EXAMPLES = Path(__file__).parents[2] / "examples"


def command(program: str, *arguments: str) -> list[str]:
    """Return the command that starts a program of the examples."""
    return [sys.executable, str(EXAMPLES / program), *arguments]


def environment(user: User, **variables: str) -> dict[str, str]:
    """Return the environment of a program that uses the API with a key of a user."""
    scopes = ["read", "write", "admin"] if user.email.startswith("admin@") else ["read", "write"]
    key = user.http.post("/auth/api-keys", json={"name": "an example", "scopes": scopes}).raise_for_status().json()
    api = {"API_URL": str(user.http.base_url).rstrip("/"), "API_KEY": key["key"]}
    return allowed_environment() | api | variables


@contextmanager
def serving(program: str, port: ReservedPort, variables: dict[str, str]) -> Generator[str]:
    """Run a program that receives requests, and yield its address when it listens."""
    process = subprocess.Popen(command(program), env=variables | {"PORT": str(port.number)}, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port.number) or process.poll() is not None)
        assert process.poll() is None
        yield f"http://127.0.0.1:{port.number}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Received:
    """A request that a server has received."""

    method: str
    path: str
    body: bytes


type Answer = tuple[int, bytes]


@dataclass
class Server:
    """A server that records what it receives, and answers as a test wants; None closes the connection."""

    answer: Callable[[Received], Answer | None] = lambda _: (200, b"{}")
    received: list[Received] = field(default_factory=list[Received])
    url: str = ""

    def paths(self, pattern: str) -> list[Received]:
        """Return the requests whose path matches a pattern."""
        return [request for request in self.received if re.fullmatch(pattern, request.path)]


@contextmanager
def answering(server: Server) -> Generator[Server]:
    """Run a server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            request = Received(self.command, self.path, self.rfile.read(length))
            server.received.append(request)
            if answer := server.answer(request):
                self.send_response(answer[0])
                self.send_header("content-length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1])

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.url = f"http://127.0.0.1:{listening.server_port}"
        Thread(target=listening.serve_forever, daemon=True).start()
        yield server
        listening.shutdown()
