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
def answering(monkeypatch: pytest.MonkeyPatch) -> Generator[Answer]:
    """Let something other than the system answer, once each: `answering((201, {}), (200, {}))`."""
    answers: list[tuple[int, object]] = []

    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_request(self, code: object = "-", size: object = "-") -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        monkeypatch.setenv("BASE_URL", f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield lambda *given: answers.extend(given)
        server.shutdown()
        thread.join()


def test_a_system_that_does_not_run_gets_a_friendly_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ReservedPort() as port:
        monkeypatch.setenv("PORT", str(port.number))
        assert main() == 1
    assert "Nothing answers at http://127.0.0.1:" in (said := capsys.readouterr().err)
    assert "make run" in said


def test_a_wrong_status_is_said_in_a_sentence(answering: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answering((503, {"detail": "not now"}))
    assert main() == 1
    assert 'off: POST /auth/register answered 503 and not 201: {"detail": "not now"}.' in capsys.readouterr().err


def test_a_missing_field_is_said_in_a_sentence(answering: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answering((201, {}), (200, {}))
    assert main() == 1
    assert "not of the promised shape (KeyError('access_token'))" in capsys.readouterr().err


def test_the_system_that_runs_on_the_data_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "address").write_text("http://127.0.0.1:9000")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert DemoSettings().url == "http://127.0.0.1:9000"
    monkeypatch.setenv("PORT", "9001")
    assert DemoSettings().url == "http://127.0.0.1:9001"


def test_without_any_word_the_usual_address_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert DemoSettings().url == "http://127.0.0.1:8000"
