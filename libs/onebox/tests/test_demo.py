import json
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from onebox.demo import DemoSettings, main
from onebox.ports import ReservedPort

type Answer = Callable[..., None]


@pytest.fixture
def respond_with(monkeypatch: pytest.MonkeyPatch) -> Generator[Answer]:
    """Start a fake system that sends scripted responses: `respond_with((201, {}), (200, {}))`."""
    answers: list[tuple[int, object]] = []

    class FakeSystem(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_request(self, code: object = "-", size: object = "-") -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), FakeSystem) as server:
        monkeypatch.setenv("BASE_URL", f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield lambda *scripted: answers.extend(scripted)
        server.shutdown()
        thread.join()


def test_a_system_that_is_not_running_is_reported_with_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ReservedPort() as port:
        monkeypatch.setenv("PORT", str(port.number))
        assert main() == 1
    assert "Cannot connect to http://127.0.0.1:" in (error := capsys.readouterr().err)
    assert "make run" in error


def test_an_unexpected_status_is_reported(respond_with: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    respond_with((503, {"detail": "not now"}))
    assert main() == 1
    assert 'failed: POST /auth/register returned 503 instead of 201: {"detail": "not now"}.' in capsys.readouterr().err


def test_a_missing_field_is_reported(respond_with: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    respond_with((201, {}), (200, {}))
    assert main() == 1
    assert "does not have the documented format (KeyError('access_token'))" in capsys.readouterr().err


def test_the_address_is_read_from_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "address").write_text("http://127.0.0.1:9000")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert DemoSettings().url == "http://127.0.0.1:9000"
    monkeypatch.setenv("PORT", "9001")
    assert DemoSettings().url == "http://127.0.0.1:9001"


def test_the_default_address_is_used_without_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert DemoSettings().url == "http://127.0.0.1:8000"
