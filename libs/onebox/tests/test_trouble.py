from pathlib import Path

from onebox.trouble import tail


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("first\nsecond\nthird\n")
    assert tail(tmp_path / "log", 2) == f"The end of {tmp_path}/log:\n    second\n    third"


def test_a_long_line_keeps_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 10_000 + "the reason")
    assert len(said := tail(tmp_path / "log")) < 1_000
    assert said.endswith("the reason")


def test_a_log_that_is_not_there_has_nothing_to_say(tmp_path: Path) -> None:
    assert tail(tmp_path / "log").endswith("(nothing)")
