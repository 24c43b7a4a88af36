"""A folder for temporary files that ends with its process, however the process ends."""

import os
import tempfile
import threading
from pathlib import Path

import pytest
from runtime.scratch import scratch_folder

NOBODYS_PID = 2**22 + 1  # above what Linux gives out


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_temporary_files_are_erased_with_their_process() -> None:
    with scratch_folder("shop") as own:
        assert Path(tempfile.mkdtemp()).parent == own
        assert own.stat().st_mode & 0o777 == 0o700
    assert not own.exists()


def test_files_of_a_killed_process_are_erased(root: Path) -> None:
    for pid in (NOBODYS_PID, os.getpid()):  # in a container, each may have the number of the one before
        (root / f"agentapi-shop-{pid}-x" / "in").mkdir(parents=True)
    with scratch_folder("shop") as own:
        erased()
        assert list(root.iterdir()) == [own]


def test_deep_and_closed_folders_of_a_killed_process_are_erased(root: Path) -> None:
    left = root / f"agentapi-shop-{NOBODYS_PID}-x"
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
    with scratch_folder("shop"):
        erased()
        assert not left.exists()


def test_a_start_does_not_wait_until_old_files_are_erased(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, go = root / f"agentapi-shop-{NOBODYS_PID}-x", threading.Event()
    left.mkdir()

    def wait(_: Path) -> None:
        go.wait()

    monkeypatch.setattr("runtime.scratch.erase", wait)
    with scratch_folder("shop"):
        assert left.exists()
        go.set()
        erased()


def erased() -> None:
    """Wait for what is done meanwhile."""
    for thread in threading.enumerate():
        if thread.name == "scratch":
            thread.join(60)


def test_files_of_a_living_process_stay(root: Path) -> None:
    used = root / f"agentapi-shop-{os.getppid()}-x"
    used.mkdir()
    with scratch_folder("shop"):
        erased()
        assert used.exists()


def test_files_of_a_service_with_a_longer_name_stay(root: Path) -> None:
    used = root / f"agentapi-shop-windows-{NOBODYS_PID}-x"
    used.mkdir()
    with scratch_folder("shop"):
        erased()
        assert used.exists()
