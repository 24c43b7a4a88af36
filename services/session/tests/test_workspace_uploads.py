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


def test_unfinished_uploads_are_limited_in_number(files: Workspace) -> None:
    oldest, *_, newest = [unfinished(files, n) for n in range(uploads.MAX_UPLOADS + 1)]
    files.uploads.put(UPLOAD, 0, b"hello")
    assert files.write("a", UPLOAD, 5).created
    left = [path.name for path in files.uploads.root.iterdir()]
    assert (str(oldest) in left, str(newest) in left, len(left)) == (False, True, uploads.MAX_UPLOADS - 1)


def test_unfinished_uploads_are_limited_in_size(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_TOTAL_BYTES", MAX_PART_BYTES + 11)
    kept = [unfinished(files, n) for n in range(4)][-2:]
    files.uploads.put(UPLOAD, 0, b"x")
    assert {path.name for path in files.uploads.root.iterdir()} == {str(UPLOAD), *map(str, kept)}


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
    assert [path.name for path in files.uploads.root.iterdir()] == [str(UPLOAD)]


def test_writing_an_incomplete_upload_raises_an_error(files: Workspace) -> None:
    files.uploads.put(UPLOAD, 0, b"hell")
    with pytest.raises(ValueError, match="4 bytes, not 5"):
        files.write("a", UPLOAD, 5)
