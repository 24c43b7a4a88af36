"""Files whose permissions an agent removed from its own account; the service owns them and has no other privilege."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from contracts.files import ByteRange
from session.workspace import Uploads, Workspace

NOBODY = 65534
ROOT = 0


@pytest.fixture
def files() -> Generator[Workspace]:
    """A workspace with an unreadable file in an unreadable folder, and a folder that cannot be written to."""
    folder = Path(tempfile.mkdtemp(prefix="closed-"))
    privileged = os.geteuid() == ROOT
    if privileged:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        root = folder / "workspace"
        (root / "closed" / "deeper").mkdir(parents=True)
        (root / "fixed").mkdir()
        for path in ("closed/deeper/file", "fixed/file"):
            (root / path).write_text("hello")
            (root / path).chmod(0)
        for path, mode in {"closed/deeper": 0o200, "closed": 0, "fixed": 0o500, ".": 0}.items():
            (root / path).chmod(mode)
        with pytest.raises(PermissionError):
            list(root.iterdir())
        yield Workspace(root, Uploads(folder / "uploads"))
    finally:
        if privileged:
            os.seteuid(ROOT)
        subprocess.run(["chmod", "--recursive", "u+rwX", folder], check=True)  # noqa: S603, S607  our own folder
        shutil.rmtree(folder)


WHOLE = ["closed", "closed/deeper", "closed/deeper/file", "fixed", "fixed/file"]


def listed(files: Workspace) -> list[str]:
    return [found.path for found in files.listing(0, 100).items]


def test_an_unreadable_file_is_listed_and_read(files: Workspace) -> None:
    assert listed(files) == WHOLE
    assert files.read("closed/deeper/file", ByteRange()).data == b"hello"


def test_an_unreadable_file_is_copied_and_the_copy_is_readable(files: Workspace) -> None:
    other = Workspace(files.root.with_name("other"), files.uploads)
    copied = files.copy_to(other)
    assert (copied.files, copied.left_out, listed(other)) == (2, 0, WHOLE)
    assert (other.root / "closed" / "deeper" / "file").read_text() == "hello"


def test_an_unreadable_file_is_packed_and_unpacked(files: Workspace) -> None:
    archive = files.root.with_name("x.tar")
    packed = files.pack(archive, "none")
    assert (packed.files, packed.left_out) == (2, 0)
    files.remove()
    files.replace(files.unpack(archive))
    assert (listed(files), (files.root / "fixed" / "file").read_text()) == (WHOLE, "hello")


def test_an_unreadable_file_counts_towards_the_quota(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.workspace.quota.MAX_BYTES", 9)
    with pytest.raises(Exception, match="WORKSPACE_FULL"):
        files.check_quota()


def test_an_unreadable_file_is_removed_with_the_workspace(files: Workspace) -> None:
    files.remove()
    assert list(files.root.parent.iterdir()) == []


def test_an_unreadable_folder_can_be_removed(files: Workspace) -> None:
    files.delete("closed")
    assert listed(files) == ["fixed", "fixed/file"]


def test_the_target_of_a_symlink_keeps_its_permissions(files: Workspace) -> None:
    outside = files.root.with_name("outside")
    outside.mkdir(mode=0)
    files.root.chmod(0o700)
    (files.root / "link").symlink_to(outside)
    files.copy_to(Workspace(files.root.with_name("other"), files.uploads))
    files.remove()
    assert outside.stat().st_mode & 0o777 == 0
