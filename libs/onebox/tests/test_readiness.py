"""What a launcher says about services that do not become ready, and what it reads of those that do."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from onebox import readiness
from onebox.children import Child, Program
from onebox.folder import DataFolder
from onebox.ports import ReservedPort
from onebox.readiness import ReadyCheck, any_has_sample, describe_not_ready, not_ready


class Unready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"the database does not answer")

    def log_request(self, code: object = "-", size: object = "-") -> None: ...


class Unconfined(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"agent_sandbox 0.0\n")

    def log_request(self, code: object = "-", size: object = "-") -> None: ...


class Slow(Unconfined):
    def do_GET(self) -> None:
        time.sleep(0.3)
        super().do_GET()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Generator[int]:
    """Serve while the context is open, and yield the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check_of(folder: DataFolder, port: int, name: str = "session") -> ReadyCheck:
    return ReadyCheck(Child(Program(name, ["true"]), folder), port)


def test_the_response_of_a_service_that_is_not_ready_is_the_reason(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "READY_SECONDS", 60)  # a machine may be busy
    with serving(Unready) as port:
        check = check_of(folder, port)
        assert not_ready([check]) == [check]
        reason = "session is not ready after 60 s: response 503: the database does not answer.\n"
        assert describe_not_ready([check], 60).startswith(reason)


def test_a_service_that_does_not_listen_gives_no_response(folder: DataFolder) -> None:
    with ReservedPort() as port:
        text = describe_not_ready([check_of(folder, port.number)], 60)
    assert text.startswith("session is not ready after 60 s: no response.\n")


def test_the_metrics_of_a_service_are_waited_for(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "READY_SECONDS", 0.1)
    with serving(Slow) as port:
        assert check_of(folder, port).has_sample("agent_sandbox 0.0")


def test_only_the_metrics_of_the_child_with_a_name_are_read(folder: DataFolder) -> None:
    with serving(Unconfined) as port, ReservedPort() as unused:
        checks = [check_of(folder, unused.number), check_of(folder, port, "report")]
        found = [any_has_sample(checks, name, "agent_sandbox 0.0") for name in ("session", "report")]
    assert found == [False, True]
