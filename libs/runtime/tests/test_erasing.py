"""A folder is erased with all that is in it, and nothing that its links lead to."""

import itertools
import os
from pathlib import Path

import pytest
from runtime.files import erasing
from runtime.files.erasing import erase
from runtime.files.paths import FOLDER, opened


def write(root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("hello")


def test_a_folder_is_erased_and_what_its_links_lead_to_stays(tmp_path: Path) -> None:
    write(tmp_path, "outside/kept")
    write(tmp_path, "root/a/b")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    erase(tmp_path / "root")
    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "kept"]


def test_closed_files_and_folders_are_erased(tmp_path: Path) -> None:
    write(tmp_path, "root/a/b")
    for path in ("root/a/b", "root/a", "root"):
        (tmp_path / path).chmod(0)
    erase(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_deeper_than_one_can_open_is_erased(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(1500):  # far more than one can have open, or call
        os.mkdir("d", dir_fd=descriptor)
        os.close(os.open("f", os.O_CREAT, dir_fd=descriptor))
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    erase(root)
    assert not root.exists()


def test_a_folder_wider_than_what_is_listed_at_once_is_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "AT_A_TIME", 2)
    for name in "abcde":
        write(tmp_path, f"root/{name}")
        write(tmp_path, f"root/y/{name}")
    erase(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_erasing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    erase(tmp_path / "none" / "at all")


def test_erasing_gives_up_when_somebody_adds_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "root/a")
    unlink, added = os.unlink, itertools.count()
    monkeypatch.setattr(erasing, "MAX_ENTRIES", 10)
    with opened(tmp_path / "root", FOLDER) as standing:

        def unlink_and_add(name: str, *, dir_fd: int) -> None:
            unlink(name, dir_fd=dir_fd)
            os.close(os.open(f"more-{next(added)}", os.O_CREAT, dir_fd=standing))

        monkeypatch.setattr(os, "unlink", unlink_and_add)
        with pytest.raises(OSError, match="somebody still adds to it"):
            erase(tmp_path / "root")
    assert next(added) == 10
