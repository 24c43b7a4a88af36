"""Folders that become workspaces."""

from pathlib import Path

import pytest
from session.workspace import parked


def test_a_folder_becomes_a_workspace_with_what_is_in_it(tmp_path: Path) -> None:
    folder = parked.park(tmp_path, "spare")
    (folder / "file").touch()
    parked.take(folder, tmp_path / "session")
    assert ((tmp_path / "session" / "file").exists(), folder.exists()) == (True, False)


def test_a_workspace_is_never_replaced_even_if_it_is_empty(tmp_path: Path) -> None:
    folder = parked.park(tmp_path, "spare")
    (tmp_path / "session").mkdir()
    with pytest.raises(FileExistsError):
        parked.take(folder, tmp_path / "session")
    assert folder.exists()


def test_one_of_two_replicas_gives_a_session_its_folder(tmp_path: Path) -> None:
    first, second = parked.park(tmp_path, "first"), parked.park(tmp_path, "second")
    parked.take(first, tmp_path / "session")
    with pytest.raises(FileExistsError):
        parked.take(second, tmp_path / "session")


def test_a_workspace_is_empty_until_something_is_put_into_it(tmp_path: Path) -> None:
    parked.take(parked.park(tmp_path, "spare"), tmp_path / "session")
    assert parked.is_empty(tmp_path / "session")
    (tmp_path / "session" / ".git").mkdir()
    assert not parked.is_empty(tmp_path / "session")
    assert not parked.is_empty(tmp_path / "removed")


def test_a_folder_with_a_file_is_left(tmp_path: Path) -> None:
    (folder := parked.park(tmp_path, "spare")).joinpath("file").touch()
    parked.remove(folder)
    assert (folder / "file").exists()


def test_only_folders_that_nobody_keeps_are_removed(tmp_path: Path) -> None:
    kept, abandoned = parked.park(tmp_path, "kept"), parked.park(tmp_path, "abandoned")
    parked.remove_abandoned(tmp_path)
    assert (kept.exists(), abandoned.exists()) == (True, True)
    parked.remove_abandoned(tmp_path, -1)
    assert (kept.exists(), abandoned.exists()) == (False, False)
    parked.remove_abandoned(tmp_path / "missing")
