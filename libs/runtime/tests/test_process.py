import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

CHILD = Path(__file__).with_name("child.py")

type Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(servers: None) -> Generator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, str(CHILD)],
            env={**os.environ, **environment},  # noqa: TID251  with the settings of the test
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def logged(start: Start, **environment: str) -> list[dict[str, Any]]:
    out, _ = start(ACT="log", **environment).communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_shuts_the_process_down_gracefully(start: Start, number: signal.Signals) -> None:
    child = start(ACT="wait")
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    assert child.communicate(timeout=60)[0] == "drained\n"
    assert child.returncode == 0


def test_an_invalid_setting_is_named_and_exits_with_2(start: Start) -> None:
    child = start(ACT="wait", SIZE="big")
    _, error = child.communicate(timeout=60)
    assert error.startswith("child cannot start.\nSIZE: ")
    assert child.returncode == 2


def test_an_error_in_main_is_logged_and_exits_with_1(start: Start) -> None:
    child = start(ACT="fail")
    out, _ = child.communicate(timeout=60)
    line = json.loads(out)
    assert (line["level"], line["event"]) == ("error", "process failed")
    assert "LookupError: nothing there" in line["exception"]
    assert child.returncode == 1


def test_a_startup_error_is_one_plain_line_and_exits_with_69(start: Start) -> None:
    child = start(ACT="refuse")
    out, error = child.communicate(timeout=60)
    assert (out, error) == ("", "child cannot start: NATS_URL=nats://bus: cannot connect. Start it.\n")
    assert child.returncode == 69


def test_the_reason_is_found_in_a_group_of_errors(start: Start) -> None:
    child = start(ACT="refuse in a group")
    assert child.communicate(timeout=60) == ("", "child cannot start: Why.\n")
    assert child.returncode == 69


def test_a_process_that_cannot_continue_logs_one_line_and_exits_with_1(start: Start) -> None:
    child = start(ACT="end")
    out, _ = child.communicate(timeout=60)
    line = json.loads(out)
    assert (line["event"], line["reason"]) == ("process failed", "the bus closed the connection")
    assert ("exception" in line, child.returncode) == (False, 1)


def test_a_misspelled_setting_is_logged_as_a_warning(start: Start) -> None:
    lines = logged(start, OTEL_EXPORTER_OTLP_ENDPOINTS="secret")
    assert "Did you mean OTEL_EXPORTER_OTLP_ENDPOINT?" in lines[0]["event"]
    assert "secret" not in str(lines)


def test_a_log_line_is_json_with_the_correlation_id(start: Start) -> None:
    [line, _] = logged(start)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "structured",
        "answer": 42,
        "level": "info",
        "service": "child",
        "correlation_id": "story",
    }


def test_libraries_log_in_the_same_format(start: Start) -> None:
    [_, line] = logged(start)
    assert (line["event"], line["level"], line["correlation_id"]) == ("from a library: 43", "warning", "story")


def test_the_log_level_is_a_setting(start: Start) -> None:
    assert [line["event"] for line in logged(start, LOG_LEVEL="warning")] == ["from a library: 43"]
