"""A folder is erased with its contents, but not the targets of its links."""

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


def test_erasing_a_folder_keeps_the_targets_of_its_links(tmp_path: Path) -> None:
    write(tmp_path, "outside/kept")
    write(tmp_path, "root/a/b")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    erase(tmp_path / "root")
    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "kept"]


def test_entries_without_permissions_are_erased(tmp_path: Path) -> None:
    write(tmp_path, "root/a/b")
    for path in ("root/a/b", "root/a", "root"):
        (tmp_path / path).chmod(0)
    erase(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_nested_deeper_than_paths_allow_is_erased(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(1500):  # more than the limits on descriptors and recursion
        os.mkdir("d", dir_fd=descriptor)
        os.close(os.open("f", os.O_CREAT, dir_fd=descriptor))
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    erase(root)
    assert not root.exists()


def test_a_folder_with_more_entries_than_a_batch_is_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "BATCH_SIZE", 2)
    for name in "abcde":
        write(tmp_path, f"root/{name}")
        write(tmp_path, f"root/y/{name}")
    erase(tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_erasing_a_missing_folder_does_nothing(tmp_path: Path) -> None:
    erase(tmp_path / "none" / "at all")


def test_erasing_gives_up_if_entries_are_added_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "root/a")
    unlink, added = os.unlink, itertools.count()
    monkeypatch.setattr(erasing, "MAX_ENTRIES", 10)
    with opened(tmp_path / "root", FOLDER) as descriptor:

        def unlink_and_add(name: str, *, dir_fd: int) -> None:
            unlink(name, dir_fd=dir_fd)
            os.close(os.open(f"more-{next(added)}", os.O_CREAT, dir_fd=descriptor))

        monkeypatch.setattr(os, "unlink", unlink_and_add)
        with pytest.raises(OSError, match="entries are still being added"):
            erase(tmp_path / "root")
    assert next(added) == 10
