import os
import tempfile
from pathlib import Path

import pytest
from session.scratch import NAME, scratch

NOBODYS_PID = 2**22 + 1  # above what Linux gives out


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_temporary_files_go_to_the_folder_of_the_process_and_end_with_it() -> None:
    with scratch() as own:
        assert Path(tempfile.mkdtemp()).parent == own
        assert own.stat().st_mode & 0o777 == 0o700
    assert not own.exists()


def test_what_a_killed_process_left_is_removed(root: Path) -> None:
    left = root / f"{NAME}{NOBODYS_PID}-x"
    left.mkdir()
    with scratch():
        assert not left.exists()


def test_what_a_living_process_uses_stays(root: Path) -> None:
    used = root / f"{NAME}{os.getppid()}-x"
    used.mkdir()
    with scratch():
        assert used.exists()
