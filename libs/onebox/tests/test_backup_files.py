"""The files of a backup: saved while they change, and restored to their place and nowhere else."""

import io
import os
import shutil
import stat
import tarfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from onebox.backup import BackupFailed, saving
from onebox.backup.archive import DATABASE, END, MANIFEST, Reader, Writer
from onebox.backup.placing import Placer
from onebox.backup.saving import save_parts
from onebox.testing.cases import every_case

MUCH = 2**30


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with the files of two sessions."""
    for session in ("one", "two"):
        (tmp_path / "source" / session / "empty").mkdir(parents=True)
        (tmp_path / "source" / session / "text").write_text(session)
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def saved(source: Path, dump: Iterable[bytes] = ()) -> io.BytesIO:
    backup = io.BytesIO()
    with Writer.to(backup) as archive:
        save_parts(archive, dump, {"workspaces": source})
    backup.seek(0)
    return backup


def restored(backup: BinaryIO, target: Path, budget: int = MUCH) -> Path:
    with Reader.of(backup) as reader:
        placer = Placer(reader, {"workspaces": target}, budget)
        for member in reader:
            if member.name == END:
                placer.remove(reader.end(member))
            elif not member.name.startswith(DATABASE):
                placer.place(member)
    return target


def shape(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): path.readlink()
        if path.is_symlink()
        else path.is_file() and (path.read_bytes(), round(path.stat().st_mtime, 3), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
    }


def test_files_are_restored_as_they_were(source: Path, target: Path) -> None:
    (source / ".folder_id").write_text("id")
    (source / "one" / "run").write_bytes(os.urandom(3_000_000))
    (source / "one" / "run").chmod(0o755)
    (source / "one" / "outside").symlink_to("/etc/passwd")
    (source / "one" / "folder").symlink_to("/usr")
    os.close(os.open(os.fsencode(source) + b"/one/no-unicode-\xff", os.O_CREAT, 0o600))
    assert shape(restored(saved(source), target)) == shape(source)


def test_pipes_are_left_out(source: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(source / "one" / "pipe")
    assert not (restored(saved(source), target) / "one" / "pipe").exists()
    assert "; 1 pipes" in capsys.readouterr().out


def changes(source: Path) -> Generator[bytes]:
    """Yield a dump, before and during which clients use the system."""
    shutil.rmtree(source / "one")
    (source / "two" / "text").write_text("changed")
    (source / "three").mkdir()
    yield b"the dump has the state of this moment"
    (source / "four").mkdir()
    yield b""


def test_what_a_dump_refers_to_is_saved_whatever_happens_meanwhile(source: Path, target: Path) -> None:
    found = shape(restored(saved(source, changes(source)), target))
    assert {"one/text", "three"} <= {*found}
    assert (target / "two" / "text").read_text() == "changed"
    assert "four" not in found


def test_what_was_deleted_before_the_dump_is_not_restored(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(_: str) -> None:
        shutil.rmtree(source / "one", ignore_errors=True)

    monkeypatch.setattr(saving, "report", delete)  # after the files, and before the dump
    assert {path.name for path in restored(saved(source), target).iterdir()} == {"two"}


def test_a_file_that_becomes_a_folder_is_restored_as_a_folder(source: Path, target: Path) -> None:
    def dump() -> Generator[bytes]:
        (source / "one" / "text").unlink()
        (source / "one" / "text").mkdir()
        (source / "one" / "empty").rmdir()
        (source / "one" / "empty").symlink_to("text")
        yield b""

    assert shape(restored(saved(source, dump()), target)) == shape(source)


def test_a_folder_that_is_a_link_for_a_moment_is_restored(
    source: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, add_file, add_link = source / "one" / "empty", Writer.add_file, Writer.add_link
    (folder / "below").touch()

    def leave(writer: Writer, name: str, file: BinaryIO) -> bool:
        if name == "workspaces/one/text":
            folder.rename(tmp_path / "aside")
            folder.symlink_to("text")
        return add_file(writer, name, file)

    def return_again(writer: Writer, name: str, link: str) -> None:
        add_link(writer, name, link)
        folder.unlink()
        (tmp_path / "aside").rename(folder)

    monkeypatch.setattr(Writer, "add_file", leave)
    monkeypatch.setattr(Writer, "add_link", return_again)
    assert shape(restored(saved(source), target)) == shape(source)


def test_a_file_that_shrinks_while_it_is_read_is_padded(source: Path, target: Path) -> None:
    class Shrunk(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return b""

    backup = io.BytesIO()
    with Writer.to(backup) as archive, Shrunk(source / "one" / "text") as file:
        archive.add_file("workspaces/file", cast(BinaryIO, file))
        archive.add("workspaces/next", b"next")
    backup.seek(0)
    restored(backup, target)
    assert [(target / name).read_bytes() for name in ("file", "next")] == [b"\0\0\0", b"next"]


def of(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


HOSTILE = [
    [of("workspaces/../outside/x")],
    [of("/etc/x")],
    [of("workspaces//x")],
    [of("workspaces/./x")],
    [of("elsewhere/x")],
    [of("workspaces")],
    [of("workspaces/" + "a/" * 100 + "x")],
    [of("workspaces/a", tarfile.SYMTYPE, "../outside"), of("workspaces/a/x")],
    [of("workspaces/a", tarfile.SYMTYPE, "../outside"), of("workspaces/a/x", tarfile.DIRTYPE)],
    [of("workspaces/a", tarfile.SYMTYPE, "../outside"), of("workspaces/a/x", tarfile.SYMTYPE, "y")],
    [of("workspaces/a", tarfile.LNKTYPE, "workspaces/b")],
    [of("workspaces/a", tarfile.CHRTYPE)],
    [of("workspaces/a", tarfile.FIFOTYPE)],
]


@pytest.mark.parametrize(
    ("time", "seconds"), [("nan", 0), ("inf", 0), ("1e300", 0), ("100000000000", 0), ("-86400", -86400)]
)
def test_a_file_is_restored_whatever_its_time(time: str, seconds: int, target: Path) -> None:
    member, backup = of("workspaces/x"), io.BytesIO()
    member.pax_headers = {"mtime": time}
    with Writer.to(backup) as archive:
        archive._tar.addfile(member)  # pyright: ignore[reportPrivateUsage]
        archive.add(END, b'{"gone": []}')
    backup.seek(0)
    restored(backup, target)
    assert (target / "x").stat().st_mtime == seconds


@every_case("members", HOSTILE)
def test_a_hostile_backup_writes_nothing_outside(members: list[tarfile.TarInfo], tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir(exist_ok=True)
    shutil.rmtree(tmp_path / "target", ignore_errors=True)
    (tmp_path / "target").mkdir()
    backup = io.BytesIO()
    with Writer.to(backup) as archive:
        for member in members:
            archive._tar.addfile(member)  # pyright: ignore[reportPrivateUsage]
    backup.seek(0)
    with pytest.raises((BackupFailed, OSError)):
        restored(backup, tmp_path / "target")
    assert not [*(tmp_path / "outside").iterdir()]


def test_a_later_member_does_not_write_through_a_symlink(tmp_path: Path, target: Path) -> None:
    (tmp_path / "outside").write_text("kept")
    backup = io.BytesIO()
    with Writer.to(backup) as archive:
        archive.add_link("workspaces/a", "../outside")
        archive.add("workspaces/a", b"written")
    backup.seek(0)
    restored(backup, target)
    assert ((tmp_path / "outside").read_text(), (target / "a").read_text()) == ("kept", "written")


def test_more_content_than_a_backup_says_is_refused(source: Path, target: Path) -> None:
    with pytest.raises(BackupFailed, match="more content than its keys file says"):
        restored(saved(source), target, budget=10_000)


def test_a_file_that_is_no_backup_is_refused(target: Path) -> None:
    for content in (b"", b"something else" * 1000):
        with pytest.raises(BackupFailed, match="This is not a backup"), Reader.of(io.BytesIO(content)) as reader:
            reader.manifest()


def test_a_backup_of_an_unknown_form_is_refused() -> None:
    backup = io.BytesIO()
    with Writer.to(backup) as archive:
        archive.add(MANIFEST, b'{"format": 7}')
    backup.seek(0)
    with pytest.raises(BackupFailed, match="a later release may have made it"), Reader.of(backup) as reader:
        reader.manifest()
