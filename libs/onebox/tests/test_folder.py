import stat
from pathlib import Path

import pytest
from onebox.folder import DataFolder
from onebox.trouble import CannotStart


def test_a_second_system_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    with pytest.raises(CannotStart, match=r"already runs on .*/data .*choose another DATA_DIR"):
        DataFolder(tmp_path / "data")
    first.close()


def test_a_folder_that_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    DataFolder(tmp_path / "data").close()
    DataFolder(tmp_path / "data").close()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(CannotStart, match=r"is a file.*Choose another DATA_DIR"):
        DataFolder(tmp_path / "data")


def test_a_file_in_place_of_a_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="is a file, or in one"):
        DataFolder(tmp_path / "file" / "data")


def test_a_secret_is_made_once(folder: DataFolder) -> None:
    folder.secret(folder.keys / "ring", lambda: "first")
    assert folder.secret(folder.keys / "ring", lambda: "second") == "first"


def test_a_secret_is_readable_by_its_owner_alone(folder: DataFolder) -> None:
    folder.secret(folder.keys / "ring", lambda: "secret")
    assert stat.S_IMODE((folder.keys / "ring").stat().st_mode) == 0o600


def test_the_rooms_are_closed_to_others(folder: DataFolder) -> None:
    assert {stat.S_IMODE(room.stat().st_mode) for room in (folder.keys, folder.logs, folder.workspaces)} == {0o700}
