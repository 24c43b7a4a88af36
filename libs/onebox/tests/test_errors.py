import json
from pathlib import Path

from onebox.errors import complaints, tail, tail_from


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("first\nsecond\nthird\n")
    assert tail(tmp_path / "log", 2) == f"The end of {tmp_path}/log:\n    second\n    third"


def test_a_long_line_is_truncated_at_its_start(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 10_000 + "the reason")
    assert len(shown := tail(tmp_path / "log")) < 1_000
    assert shown.endswith("the reason")


def test_a_missing_log_is_shown_as_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "log").endswith("(empty)")


def test_a_json_log_line_is_shown_as_readable_text(tmp_path: Path) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nLookupError: nothing there'
    entry = {
        "event": "failed",
        "attempt": 2,
        "level": "error",
        "timestamp": "now",
        "service": "one",
        "exception": trace,
    }
    (tmp_path / "log").write_text(json.dumps(entry))
    assert tail(tmp_path / "log").endswith("\n    error: failed (LookupError: nothing there, attempt=2)")


def test_json_that_is_not_a_log_line_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('[1]\n{"a": 1}\n12')
    assert tail(tmp_path / "log").splitlines()[1:] == ["    [1]", '    {"a": 1}', "    12"]


def test_the_tail_starts_with_the_last_matching_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one cannot start: before\n{}\none cannot start.\nPORT: is wrong\n")
    assert tail_from(tmp_path / "log", "one cannot start") == "one cannot start.\nPORT: is wrong"


def test_the_tail_is_empty_without_a_matching_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("two cannot start: no\n")
    assert tail_from(tmp_path / "log", "one cannot start") == ""


def test_the_complaints_of_a_log_are_its_last_warnings_and_errors(tmp_path: Path) -> None:
    levels = ("error", "warning", "info", "error")
    lines = [json.dumps({"event": f"event {number}", "level": level}) for number, level in enumerate(levels)]
    (tmp_path / "log").write_text("\n".join([*lines, "error in plain text"]))
    assert complaints(tmp_path / "log", 2) == ["warning: event 1", "error: event 3"]


def test_a_missing_log_has_no_complaints(tmp_path: Path) -> None:
    assert complaints(tmp_path / "log", 2) == []
