"""Uploads into a workspace: unfinished ones are limited and do not block others."""

import os
import time
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE
from contracts.wire import MAX_PART_BYTES
from session.workspace import Uploads, Workspace, uploads

UPLOAD = UUID(MESSAGE)


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace", Uploads(tmp_path / "uploads"))


def unfinished(files: Workspace, n: int) -> UUID:
    upload = uuid5(UPLOAD, str(n))
    files.uploads.put(upload, 0, b"12345")
    now = time.time() - 100 + n
    os.utime(files.uploads.root / str(upload), (now, now))
    return upload


def left(files: Workspace) -> set[str]:
    return {path.name for path in files.uploads.root.iterdir()}


def test_unfinished_uploads_are_limited_in_number(files: Workspace) -> None:
    oldest, *_, newest = [unfinished(files, n) for n in range(uploads.MAX_UPLOADS + 1)]
    files.uploads.put(UPLOAD, 0, b"hello")
    assert files.write("a", UPLOAD, 5).created
    names = left(files)
    assert (str(oldest) in names, str(newest) in names, len(names)) == (False, True, uploads.MAX_UPLOADS - 1)


def test_unfinished_uploads_are_limited_in_size(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_TOTAL_BYTES", MAX_PART_BYTES + 11)
    kept = [unfinished(files, n) for n in range(4)][-2:]
    files.uploads.put(UPLOAD, 0, b"x")
    assert left(files) == {str(UPLOAD), *map(str, kept)}


def test_growing_uploads_are_limited_in_size(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_TOTAL_BYTES", MAX_PART_BYTES + 10)
    waiting = [unfinished(files, n) for n in range(2)]
    files.uploads.put(UPLOAD, 0, b"x")
    assert left(files) == {str(UPLOAD), *map(str, waiting)}
    files.uploads.put(UPLOAD, 1, b"12345")
    assert left(files) == {str(UPLOAD), str(waiting[1])}
    files.uploads.put(UPLOAD, 6, b"7")
    assert left(files) == {str(UPLOAD)}
    assert files.write("a", UPLOAD, 7).created


def test_another_part_does_not_count_as_another_upload(files: Workspace) -> None:
    waiting = [unfinished(files, n) for n in range(uploads.MAX_UPLOADS - 1)]
    for n in range(3):
        files.uploads.put(UPLOAD, n, b"x")
    assert left(files) == {str(UPLOAD), *map(str, waiting)}


def test_parts_are_synced_before_the_upload_ends(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[int]()

    def sync(file: int) -> None:
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fdatasync", sync)
    size = 2 * uploads.SYNC_BYTES + MAX_PART_BYTES
    for offset in range(0, size, MAX_PART_BYTES):
        files.uploads.put(UPLOAD, offset, bytes(MAX_PART_BYTES))
    assert synced == [uploads.SYNC_BYTES, 2 * uploads.SYNC_BYTES]
    assert files.write("a", UPLOAD, size).file.size_bytes == size


def test_an_evicted_upload_cannot_be_continued(files: Workspace) -> None:
    oldest, *_ = [unfinished(files, n) for n in range(uploads.MAX_UPLOADS + 1)]
    for act in (lambda: files.uploads.put(oldest, 5, b"6"), lambda: files.write("a", oldest, 6)):
        with pytest.raises(Refusal, match=Code.WORKSPACE_FULL):
            act()


def test_old_unfinished_uploads_are_removed(files: Workspace) -> None:
    old = uuid5(UPLOAD, "old")
    files.uploads.put(old, 0, b"x")
    os.utime(files.uploads.root / str(old), (0, 0))
    files.uploads.put(UPLOAD, 0, b"x")
    assert left(files) == {str(UPLOAD)}


def test_writing_an_incomplete_upload_raises_an_error(files: Workspace) -> None:
    files.uploads.put(UPLOAD, 0, b"hell")
    with pytest.raises(ValueError, match="4 bytes, not 5"):
        files.write("a", UPLOAD, 5)
