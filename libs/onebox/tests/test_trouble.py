import json
from pathlib import Path

from onebox.trouble import last_words, tail


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("first\nsecond\nthird\n")
    assert tail(tmp_path / "log", 2) == f"The end of {tmp_path}/log:\n    second\n    third"


def test_a_long_line_keeps_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 10_000 + "the reason")
    assert len(said := tail(tmp_path / "log")) < 1_000
    assert said.endswith("the reason")


def test_a_log_that_is_not_there_has_nothing_to_say(tmp_path: Path) -> None:
    assert tail(tmp_path / "log").endswith("(nothing)")


def test_a_line_of_json_is_shown_as_a_person_reads_it(tmp_path: Path) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nLookupError: nothing there'
    entry = {
        "event": "it ends",
        "attempt": 2,
        "level": "error",
        "timestamp": "now",
        "service": "one",
        "exception": trace,
    }
    (tmp_path / "log").write_text(json.dumps(entry))
    assert tail(tmp_path / "log").endswith("\n    error: it ends (LookupError: nothing there, attempt=2)")


def test_json_that_is_not_a_log_line_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('[1]\n{"a": 1}\n12')
    assert tail(tmp_path / "log").splitlines()[1:] == ["    [1]", '    {"a": 1}', "    12"]


def test_the_last_words_are_those_of_the_last_start(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one cannot start: before\n{}\none cannot start.\nPORT: is wrong\n")
    assert last_words(tmp_path / "log", "one cannot start") == "one cannot start.\nPORT: is wrong"


def test_a_log_without_such_words_has_none(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("two cannot start: no\n")
    assert last_words(tmp_path / "log", "one cannot start") == ""
