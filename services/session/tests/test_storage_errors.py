"""Full disks and full workspaces: nothing incomplete remains, and existing files do not change."""

import asyncio
import errno
import resource
import tarfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE
from session.workspace import StorageFailed, Uploads, Workspace, convert_storage_errors, quota, walking

SIZE = 200_000


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "big").write_bytes(bytes(range(250)) * (SIZE // 250))
    return Workspace(tmp_path / "workspace", Uploads(tmp_path / "uploads"))


@pytest.fixture
def other(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "other", Uploads(tmp_path / "uploads"))


@contextmanager
def full_disk() -> Generator[None]:
    """Let writes fail beyond a few bytes, like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def everything(files: Workspace) -> list[str]:
    root = files.root.parent
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def assert_fails(act: Callable[[], object]) -> None:
    with full_disk(), pytest.raises(OSError, match="File too large"):
        act()


def test_a_failed_archive_leaves_no_files(files: Workspace, tmp_path: Path) -> None:
    before = everything(files)
    assert_fails(lambda: files.pack(tmp_path / "archives" / "x.tar", "none"))
    assert everything(files) == before
    assert files.pack(tmp_path / "archives" / "x.tar", "none").files == 1


def test_a_failed_unpacking_leaves_no_files(files: Workspace, tmp_path: Path) -> None:
    files.pack(tmp_path / "x.tar", "none")
    before = everything(files)
    assert_fails(lambda: files.unpack(tmp_path / "x.tar"))
    assert everything(files) == before


def test_a_failed_copy_leaves_no_files(files: Workspace, other: Workspace) -> None:
    before = everything(files)
    assert_fails(lambda: files.copy_to(other))
    assert everything(files) == before
    assert not other.root.exists()


def test_an_upload_to_a_full_disk_is_refused(files: Workspace) -> None:
    with full_disk(), pytest.raises(Refusal, match="STORAGE_FAILED"):
        files.uploads.put(UUID(MESSAGE), 0, bytes(2000))


def assert_full(act: Callable[[], object]) -> None:
    with pytest.raises(Refusal) as refusal:
        act()
    assert refusal.value.code == Code.WORKSPACE_FULL


def test_a_workspace_beyond_its_quota_is_not_copied_or_packed(
    files: Workspace, other: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.pack(tmp_path / "x.tar", "none")
    before = everything(files)
    monkeypatch.setattr(quota, "MAX_BYTES", SIZE - 1)
    assert_full(files.check_quota)
    assert_full(lambda: files.copy_to(other))
    assert_full(lambda: files.pack(tmp_path / "y.tar", "none"))
    assert_full(lambda: files.unpack(tmp_path / "x.tar"))
    assert everything(files) == before


def test_a_workspace_with_too_many_files_is_full(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (files.root / "folder").mkdir()
    monkeypatch.setattr(quota, "MAX_ENTRIES", 1)
    assert_full(files.check_quota)


def test_a_tree_that_is_too_deep_or_wide_is_refused_not_truncated(
    files: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.root / "a" / "b").mkdir(parents=True)
    monkeypatch.setattr(walking, "MAX_DEPTH", 2)
    assert_full(lambda: files.pack(tmp_path / "x.tar", "none"))
    monkeypatch.setattr(walking, "MAX_DEPTH", 3)
    monkeypatch.setattr(walking, "MAX_FOLDER_ENTRIES", 1)
    assert_full(lambda: files.pack(tmp_path / "x.tar", "none"))
    assert [found.path for found in files.listing(0, 10).items] == ["a", "a/b"]


def test_a_missing_workspace_is_not_full(tmp_path: Path) -> None:
    Workspace(tmp_path / "none", Uploads(tmp_path / "u")).check_quota()


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/host/path"), "STORAGE_FAILED", "No space left on device."),
        (Refusal(Code.WORKSPACE_FULL, "Too much."), "WORKSPACE_FULL", "Too much."),
        (tarfile.ReadError("/host/path"), "STORAGE_FAILED", "The files could not be read."),
    ],
)
async def test_an_error_is_reported_without_paths_of_the_host(error: Exception, code: str, detail: str) -> None:
    def work() -> None:
        raise error

    with pytest.raises(StorageFailed) as failure:
        await convert_storage_errors(asyncio.to_thread(work))
    assert (failure.value.code, failure.value.detail) == (code, detail)
