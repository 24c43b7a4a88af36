"""Packing a workspace into an archive, and unpacking it."""

import io
import os
import stat
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from contracts.session.values import Compression
from session.workspace import SUFFIX, Uploads, Workspace

KINDS: list[Compression] = ["gzip", "bzip2", "xz", "zstd", "none"]


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    (tmp_path / "workspace" / "a" / "empty").mkdir(parents=True)
    return Workspace(tmp_path / "workspace", Uploads(tmp_path / "uploads"))


def shape(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in root.rglob("*")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_unpacked_to_the_same_content(files: Workspace, tmp_path: Path, kind: Compression) -> None:
    (files.root / "a" / "run").write_bytes(b"#!" * 1000)
    (files.root / "a" / "run").chmod(0o755)
    (files.root / "outside").symlink_to("/etc/passwd")
    (files.root / "folder").symlink_to("a")
    os.close(os.open(os.fsencode(files.root) + b"/no-unicode-\xff", os.O_CREAT))
    before, archive = shape(files.root), tmp_path / "archives" / f"x{SUFFIX[kind]}"
    assert files.pack(archive, kind).files == 2
    files.remove()
    files.replace(files.unpack(archive))
    assert shape(files.root) == before
    assert os.access(files.root / "a" / "run", os.X_OK)


def test_special_files_are_left_out_and_counted(files: Workspace, tmp_path: Path) -> None:
    os.mkfifo(files.root / "pipe")
    packed = files.pack(tmp_path / "x.tar", "none")
    assert (packed.files, packed.left_out) == (0, 1)


def test_the_target_of_a_symlink_is_not_packed(files: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (files.root / "link").symlink_to(tmp_path / "secret")
    files.pack(tmp_path / "x.tar", "none")
    with tarfile.open(tmp_path / "x.tar") as packed:
        assert packed.getmember("link").issym()


def test_an_existing_archive_is_counted_and_not_rewritten(files: Workspace, tmp_path: Path) -> None:
    (files.root / "one").touch()
    files.pack(tmp_path / "x.tar.gz", "gzip")
    before = (tmp_path / "x.tar.gz").read_bytes()
    files.remove()
    assert files.pack(tmp_path / "x.tar.gz", "gzip").files == 1
    assert (tmp_path / "x.tar.gz").read_bytes() == before


def test_an_interrupted_archive_is_replaced(files: Workspace, tmp_path: Path) -> None:
    (tmp_path / "x.tar.0123.new").write_text("half")
    files.pack(tmp_path / "x.tar", "none")
    assert [path.name for path in tmp_path.glob("x.tar*")] == ["x.tar"]


def test_a_missing_workspace_is_packed_as_empty(tmp_path: Path) -> None:
    nothing = Workspace(tmp_path / "none", Uploads(tmp_path / "u"))
    assert nothing.pack(tmp_path / "x.tar", "none").files == 0


def test_unpacking_replaces_existing_files(files: Workspace, tmp_path: Path) -> None:
    files.pack(tmp_path / "x.tar", "none")
    (files.root / "later").touch()
    files.replace(files.unpack(tmp_path / "x.tar"))
    assert not (files.root / "later").exists()


LINK = {"type": tarfile.SYMTYPE, "linkname": ".."}


@pytest.mark.parametrize(
    "members",
    [
        [{"name": "../out"}],
        [{"name": "/out"}],
        [{"name": "../out", **LINK}],
        [{"name": "link", **LINK}, {"name": "link/out", **LINK}],
    ],
)
def test_nothing_is_unpacked_outside_the_workspace(
    files: Workspace, tmp_path: Path, members: list[dict[str, object]]
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for member in members:
            info = tarfile.TarInfo()
            for field, value in member.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO())
    with suppress(Exception):
        files.replace(files.unpack(tmp_path / "evil.tar"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("evil.tar", ".copies")) == before
    assert not Path("/out").exists()


def test_copied_and_unpacked_workspaces_are_closed_to_other_accounts(files: Workspace, tmp_path: Path) -> None:
    copied = Workspace(tmp_path / "copied", Uploads(tmp_path / "other"))
    files.copy_to(copied)
    files.pack(tmp_path / "x.tar", "none")
    files.replace(files.unpack(tmp_path / "x.tar"))
    assert [stat.S_IMODE(each.root.stat().st_mode) for each in (copied, files)] == [0o700] * 2
