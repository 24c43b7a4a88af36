"""The folder for temporary files is erased, however its process ends."""

import os
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import Mock

import pytest
from runtime.scratch import scratch_folder

UNUSED_PID = 2**22 + 1  # above the maximum of Linux


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_temporary_files_are_erased_when_their_process_ends() -> None:
    with scratch_folder("shop") as own:
        assert Path(tempfile.mkdtemp()).parent == own
        assert own.stat().st_mode & 0o777 == 0o700
    assert not own.exists()


def test_files_of_a_killed_process_are_erased(root: Path) -> None:
    for pid in (UNUSED_PID, os.getpid()):  # in a container, the next process may get the same id
        (root / f"agentapi-shop-{pid}-x" / "in").mkdir(parents=True)
    with scratch_folder("shop") as own:
        wait_for_erasing()
        assert list(root.iterdir()) == [own]


def test_deep_and_unreadable_folders_of_a_killed_process_are_erased(root: Path) -> None:
    orphaned = root / f"agentapi-shop-{UNUSED_PID}-x"
    orphaned.mkdir()
    here = Path.cwd()
    os.chdir(orphaned)
    try:
        for _ in range(1100):  # more than Python may recurse, and longer than a path may be
            Path("d" * 100).mkdir()
            os.chdir("d" * 100)
            Path().chmod(0o300)
    finally:
        os.chdir(here)
    with scratch_folder("shop"):
        wait_for_erasing()
        assert not orphaned.exists()


def test_a_folder_that_may_not_be_listed_is_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as opened:
        with monkeypatch.context() as denied:
            denied.setattr(
                os, "scandir", Mock(side_effect=PermissionError(13, "Permission denied"))
            )  # root may list all
            denied.setattr(os, "listdir", os.scandir)
            own = opened.enter_context(scratch_folder("shop"))
        assert own.parent == root


def test_startup_does_not_wait_until_old_files_are_erased(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orphaned, go = root / f"agentapi-shop-{UNUSED_PID}-x", threading.Event()
    orphaned.mkdir()

    def wait(_: Path) -> None:
        go.wait()

    monkeypatch.setattr("runtime.scratch.erase", wait)
    with scratch_folder("shop"):
        assert orphaned.exists()
        go.set()
        wait_for_erasing()


def wait_for_erasing() -> None:
    """Wait for the background thread."""
    for thread in threading.enumerate():
        if thread.name == "scratch":
            thread.join(60)


def test_files_of_a_running_process_are_kept(root: Path) -> None:
    used = root / f"agentapi-shop-{os.getppid()}-x"
    used.mkdir()
    with scratch_folder("shop"):
        wait_for_erasing()
        assert used.exists()


def test_files_of_a_service_with_a_longer_name_are_kept(root: Path) -> None:
    used = root / f"agentapi-shop-windows-{UNUSED_PID}-x"
    used.mkdir()
    with scratch_folder("shop"):
        wait_for_erasing()
        assert used.exists()
