import os
import tempfile
import threading
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
    for pid in (NOBODYS_PID, os.getpid()):  # in a container, each may have the number of the one before
        (root / f"{NAME}{pid}-x" / "in").mkdir(parents=True)
    with scratch() as own:
        erased()
        assert list(root.iterdir()) == [own]


def test_what_a_killed_process_left_is_removed_however_deep_and_closed_it_is(root: Path) -> None:
    left = root / f"{NAME}{NOBODYS_PID}-x"
    left.mkdir()
    here = Path.cwd()
    os.chdir(left)
    try:
        for _ in range(3000):
            Path("d").mkdir()
            os.chdir("d")
            Path().chmod(0o300)
    finally:
        os.chdir(here)
    with scratch():
        erased()
        assert not left.exists()


def test_a_process_does_not_wait_for_what_others_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, go = root / f"{NAME}{NOBODYS_PID}-x", threading.Event()
    left.mkdir()

    def wait(_: Path) -> None:
        go.wait()

    monkeypatch.setattr("session.scratch.erase", wait)
    with scratch():
        assert left.exists()
        go.set()
        erased()


def erased() -> None:
    """Wait for what is done meanwhile."""
    for thread in threading.enumerate():
        if thread.name == "scratch":
            thread.join(60)


def test_what_a_living_process_uses_stays(root: Path) -> None:
    used = root / f"{NAME}{os.getppid()}-x"
    used.mkdir()
    with scratch():
        assert used.exists()
