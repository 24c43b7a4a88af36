"""Files on their way into a workspace: what was broken off is bounded, and in nobody's way."""

import os
import time
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE
from contracts.wire import MAX_UPLOAD_BYTES
from session.workspace import Uploads, Workspace, uploads

UPLOAD = UUID(MESSAGE)


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace", Uploads(tmp_path / "uploads"))


def broken_off(files: Workspace, n: int) -> UUID:
    upload = uuid5(UPLOAD, str(n))
    files.uploads.put(upload, 0, b"12345")
    now = time.time() - 100 + n
    os.utime(files.uploads.root / str(upload), (now, now))
    return upload


def test_uploads_that_were_broken_off_are_in_nobodys_way_and_bounded(files: Workspace) -> None:
    oldest, *_, newest = [broken_off(files, n) for n in range(uploads.MAX_UPLOADS + 1)]
    files.uploads.put(UPLOAD, 0, b"hello")
    assert files.write("a", UPLOAD, 5).created
    left = [path.name for path in files.uploads.root.iterdir()]
    assert (str(oldest) in left, str(newest) in left, len(left)) == (False, True, uploads.MAX_UPLOADS - 1)


def test_uploads_that_were_broken_off_are_bounded_in_size(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_TOTAL_BYTES", MAX_UPLOAD_BYTES + 11)
    kept = [broken_off(files, n) for n in range(4)][-2:]
    files.uploads.put(UPLOAD, 0, b"x")
    assert {path.name for path in files.uploads.root.iterdir()} == {str(UPLOAD), *map(str, kept)}


def test_an_upload_that_made_room_for_newer_ones_does_not_go_on_without_its_beginning(files: Workspace) -> None:
    oldest, *_ = [broken_off(files, n) for n in range(uploads.MAX_UPLOADS + 1)]
    for act in (lambda: files.uploads.put(oldest, 5, b"6"), lambda: files.write("a", oldest, 6)):
        with pytest.raises(Refusal, match=Code.WORKSPACE_FULL):
            act()


def test_uploads_that_nobody_finished_are_forgotten(files: Workspace) -> None:
    old = uuid5(UPLOAD, "old")
    files.uploads.put(old, 0, b"x")
    os.utime(files.uploads.root / str(old), (0, 0))
    files.uploads.put(UPLOAD, 0, b"x")
    assert [path.name for path in files.uploads.root.iterdir()] == [str(UPLOAD)]


def test_an_upload_that_is_not_whole_is_a_fault(files: Workspace) -> None:
    files.uploads.put(UPLOAD, 0, b"hell")
    with pytest.raises(ValueError, match="4 bytes, not 5"):
        files.write("a", UPLOAD, 5)
