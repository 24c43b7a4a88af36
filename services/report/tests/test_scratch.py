"""The folder for temporary files."""

from pathlib import Path

import pytest
from report.scratch import PREFIX, scratch_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_is_private_and_removed_on_exit(temporary: Path) -> None:
    with scratch_folder() as folder:
        (folder / "content.json").touch()
        assert (folder.parent, folder.stat().st_mode & 0o777) == (temporary, 0o700)
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_and_one_in_use_is_not(temporary: Path) -> None:
    (temporary / f"{PREFIX}killed").mkdir()
    with scratch_folder() as first, scratch_folder() as second:
        assert sorted(temporary.iterdir()) == sorted([first, second])
