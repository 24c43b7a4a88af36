import stat
from pathlib import Path

import pytest
from onebox.errors import CannotStart
from onebox.folder import UNFINISHED_RESTORE, DataFolder


def test_a_second_system_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    with pytest.raises(CannotStart, match=r"already running on .*/data .*choose another DATA_DIR"):
        DataFolder(tmp_path / "data")
    first.close()


def test_a_released_folder_can_be_locked_again(tmp_path: Path) -> None:
    DataFolder(tmp_path / "data").close()
    DataFolder(tmp_path / "data").close()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(CannotStart, match=r"is a file.*Choose another DATA_DIR"):
        DataFolder(tmp_path / "data")


def test_a_file_in_place_of_a_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="is a file or below a file"):
        DataFolder(tmp_path / "file" / "data")


def test_a_secret_is_created_once(folder: DataFolder) -> None:
    folder.secret(folder.keys / "ring", lambda: "first")
    assert folder.secret(folder.keys / "ring", lambda: "second") == "first"


def test_a_secret_is_readable_only_by_its_owner(folder: DataFolder) -> None:
    folder.secret(folder.keys / "ring", lambda: "secret")
    assert stat.S_IMODE((folder.keys / "ring").stat().st_mode) == 0o600


def test_subfolders_are_accessible_only_by_their_owner(folder: DataFolder) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder.keys, folder.logs, folder.workspaces)} == {0o700}


def test_a_folder_that_was_not_restored_completely_is_refused(tmp_path: Path) -> None:
    DataFolder(tmp_path).close()
    (tmp_path / UNFINISHED_RESTORE).touch()
    with pytest.raises(CannotStart, match=r"A restore to .* was interrupted"):
        DataFolder(tmp_path)
    DataFolder(tmp_path, restoring=True).close()
