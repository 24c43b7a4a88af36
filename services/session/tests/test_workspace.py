"""The files of a session: reads, writes, lists and copies, and their confinement to the workspace."""

import os
import socket
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from contracts.files import ByteRange
from contracts.refusals import Code, Refusal
from contracts.samples import MESSAGE
from eventing.testing import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime.files.paths import FOLDER, opened
from session import workspace as module
from session.workspace import Uploads, Workspace, quota
from session.workspace.walking import Entry

UPLOAD = UUID(MESSAGE)
SECRET = b"only the host may read this"


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "workspace").mkdir()
    return Workspace(tmp_path / "workspace", Uploads(tmp_path / "uploads"))


def write(files: Workspace, path: str, data: bytes = b"hello") -> bool:
    if data:
        files.uploads.put(UPLOAD, 0, data)
    return files.write(path, UPLOAD, len(data)).created


def read(files: Workspace, path: str) -> bytes:
    return files.read(path, ByteRange()).data


def test_a_written_file_can_be_read(files: Workspace) -> None:
    assert write(files, "src/deep/notes.txt")
    assert read(files, "src/deep/notes.txt") == b"hello"


def test_an_empty_file_can_be_written(files: Workspace) -> None:
    write(files, "empty", b"")
    assert read(files, "empty") == b""


def test_a_file_is_replaced_and_stays_executable(files: Workspace) -> None:
    write(files, "run", b"old")
    (files.root / "run").chmod(0o755)
    assert not write(files, "run", b"new")
    assert (read(files, "run"), (files.root / "run").stat().st_mode & 0o777) == (b"new", 0o755)


def test_files_are_listed_in_the_order_of_their_paths(files: Workspace) -> None:
    for path in ("b", "a/y", "a/x"):
        write(files, path)
    (files.root / "link").symlink_to("/etc/passwd")
    os.mkfifo(files.root / "pipe")
    page = files.listing(0, 100)
    assert [(f.path, f.type) for f in page.items] == [
        ("a", "directory"), ("a/x", "file"), ("a/y", "file"), ("b", "file"), ("link", "symlink"), ("pipe", "other"),
    ]  # fmt: skip


def test_a_page_is_a_slice_of_the_list(files: Workspace) -> None:
    for name in "abcd":
        write(files, name)
    page = files.listing(1, 2)
    assert ([f.path for f in page.items], page.total, page.truncated) == (["b", "c"], 4, False)


def test_a_list_beyond_the_limit_is_truncated_and_says_so(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTED", 2)
    for name in "abc":
        write(files, name)
    page = files.listing(0, 100)
    assert (page.total, page.truncated) == (2, True)


def test_a_missing_workspace_is_listed_as_empty(tmp_path: Path) -> None:
    assert Workspace(tmp_path / "none", Uploads(tmp_path / "u")).listing(0, 10).total == 0


def test_a_file_with_an_invalid_time_is_listed(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    status = os.stat_result((stat.S_IFREG, 1, 1, 1, 0, 0, 5, 0, 67_768_036_191_676_800, 0))
    with pytest.raises(OSError, match="Value too large"):
        datetime.fromtimestamp(status.st_mtime, UTC)

    def walk(top: int) -> list[Entry]:
        return [Entry(("a",), status, top)]

    monkeypatch.setattr(module, "walk", walk)
    assert files.listing(0, 10).items[0].modified_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_full_workspace_refuses_a_write(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 10)
    write(files, "a", b"12345678")
    refused(Code.WORKSPACE_FULL, lambda: write(files, "b"))
    assert [f.path for f in files.listing(0, 10).items] == ["a"]


def test_a_file_in_a_full_workspace_can_be_replaced(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 10)
    write(files, "a", b"12345678")
    assert not write(files, "a", b"1234567890")


def test_a_refused_upload_leaves_no_file(files: Workspace) -> None:
    refused(Code.INVALID_PATH, lambda: write(files, "../x"))
    assert list(files.uploads.root.iterdir()) == []


INVALID_PATHS = [
    "", "/", "..", ".", "../secret", "a/../../secret", "/etc/passwd", "//etc/passwd", "a//b", "a/", "./a", "a\0b",
    "\0", "\ud800", "x" * 256, "ä" * 128, "a/" * 3000 + "a", "/".join("a" * 65),
]  # fmt: skip


@pytest.mark.parametrize("path", INVALID_PATHS, ids=range(len(INVALID_PATHS)))
def test_a_path_outside_the_workspace_is_refused(files: Workspace, path: str) -> None:
    refused(Code.INVALID_PATH, lambda: read(files, path))
    refused(Code.INVALID_PATH, lambda: write(files, path))
    refused(Code.INVALID_PATH, lambda: files.delete(path))


STEPS = st.sampled_from(
    [
        "..",
        ".",
        "",
        "a",
        "link",
        "loop",
        "\uff052e\uff052e",
        "\u2025",
        "\uff0e\uff0e",
        "..\\",
        "%2e%2e",
        "~",
        "secret",
        "pipe",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(STEPS | st.text(max_size=4), max_size=6).map("/".join))
def test_no_path_reaches_a_file_outside_the_workspace(files: Workspace, path: str) -> None:
    outside = files.root.parent
    for name, target in {"link": outside, "loop": "loop"}.items():
        if not (files.root / name).is_symlink():
            (files.root / name).symlink_to(target)
    for act in (lambda: read(files, path), lambda: write(files, path), lambda: files.delete(path)):
        try:
            assert act() != SECRET
        except Refusal:
            continue
    assert sorted(p.name for p in outside.iterdir() if p.name not in ("uploads", ".copies", ".locks")) == [
        "outside",
        "secret",
        "workspace",
    ]
    assert ((outside / "secret").read_bytes(), list((outside / "outside").iterdir())) == (SECRET, [])


def test_symlinks_are_not_followed(files: Workspace, tmp_path: Path) -> None:
    (files.root / "file").symlink_to(tmp_path / "secret")
    (files.root / "folder").symlink_to(tmp_path)
    for path in ("file", "folder/secret"):
        refused(Code.NOT_A_FILE, lambda path=path: read(files, path))
        refused(Code.NOT_A_FILE, lambda path=path: write(files, path))
    refused(Code.NOT_A_FILE, lambda: files.delete("folder/secret"))
    assert (tmp_path / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("path", ["pipe", "socket", "folder"])
def test_special_files_are_refused_without_blocking(files: Workspace, path: str) -> None:
    os.mkfifo(files.root / "pipe")
    (files.root / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener, opened(files.root, FOLDER) as descriptor:
        listener.bind(f"/proc/self/fd/{descriptor}/socket")  # the full path may be too long for a socket
    refused(Code.NOT_A_FILE, lambda: read(files, path))
    refused(Code.NOT_A_FILE, lambda: write(files, path))


def test_swapping_a_folder_for_a_symlink_reveals_nothing(files: Workspace, tmp_path: Path) -> None:
    write(files, "real/secret", b"harmless")
    (files.root / "link").symlink_to(tmp_path)
    done = threading.Event()

    def swap() -> None:
        real, now = files.root / "real", files.root / "now"
        while not done.is_set():
            real.rename(now)
            now.rename(real)
            now.symlink_to(tmp_path)
            now.unlink()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(2000):
            try:
                assert read(files, "now/secret") == b"harmless"
            except Refusal:
                continue
    finally:
        done.set()
        thread.join()


@pytest.fixture
def other(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "other", Uploads(tmp_path / "uploads"))


def test_a_copy_contains_links_and_never_their_targets(files: Workspace, other: Workspace, tmp_path: Path) -> None:
    write(files, "a/run")
    (files.root / "a" / "run").chmod(0o755)
    (files.root / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(files.root / "pipe")
    copied = files.copy_to(other)
    assert (copied.files, copied.left_out) == (1, 1)
    assert [f.path for f in other.listing(0, 100).items] == ["a", "a/run", "link"]
    assert (other.root / "a" / "run").stat().st_mode & 0o777 == 0o755
    assert (other.root / "link").readlink() == tmp_path / "secret"


def test_an_existing_copy_is_kept(files: Workspace, other: Workspace) -> None:
    write(files, "a")
    files.copy_to(other)
    write(files, "b")
    files.copy_to(other)
    assert [f.path for f in other.listing(0, 100).items] == ["a"]


def test_an_interrupted_copy_is_replaced(files: Workspace, other: Workspace, tmp_path: Path) -> None:
    write(files, "a")
    (tmp_path / ".copies" / "other" / "half").mkdir(parents=True)
    files.copy_to(other)
    assert [f.path for f in other.listing(0, 100).items] == ["a"]


def test_copying_a_missing_workspace_creates_nothing(other: Workspace, tmp_path: Path) -> None:
    nothing = Workspace(tmp_path / "none", Uploads(tmp_path / "u"))
    assert nothing.copy_to(other).files == 0
    assert not other.root.exists()


def test_a_copy_is_synced_to_disk_before_it_is_renamed(
    files: Workspace, other: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, bool]] = []

    def fsync(descriptor: int) -> None:
        done.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), other.root.exists()))

    write(files, "a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "sync", lambda: done.append(("sync", other.root.exists())))
        patch.setattr(os, "fsync", fsync)
        files.copy_to(other)
    assert done == [("sync", False), (str(other.root.parent), True)]
