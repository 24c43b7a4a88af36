from pathlib import Path

from onebox.programs import version_of


def test_a_program_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert version_of(tmp_path / "none") is None
