"""Packs a workspace into an archive, symlinks as symlinks, and unpacks it so that nothing is written outside."""

import os
import stat
import sys
from pathlib import Path
from typing import IO

from contracts.session.values import Compression
from runtime.files.paths import FILE, FOLDER, is_gone, open_entry, opened
from runtime.files.writing import create_file, create_folder, create_symlink

from session.workspace.copying import CopyResult
from session.workspace.quota import Quota
from session.workspace.walking import Entry, walk

if sys.version_info >= (3, 14):
    import tarfile
else:
    from backports.zstd import tarfile  # the backport of Python 3.14's module

SUFFIX: dict[Compression, str] = {
    "gzip": ".tar.gz",
    "bzip2": ".tar.bz2",
    "xz": ".tar.xz",
    "zstd": ".tar.zst",
    "none": ".tar",
}


def pack(top: int, to: Path, compression: Compression) -> CopyResult:
    """Pack the contents of the open folder `top` into the file `to`, atomically and synced to disk.

    Each worker writes a temporary file of its own; the first one to finish takes the name.

    Raises:
        Refusal: WORKSPACE_FULL.
        OSError: the disk is full, or a file shrank meanwhile.
    """
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = to.with_name(f"{to.name}.{os.urandom(8).hex()}.new")
    try:
        packed = _pack(top, unfinished, compression)
        unfinished.rename(to)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    for broken_off in to.parent.glob(f"{to.name}.*.new"):
        broken_off.unlink(missing_ok=True)
    with opened(to.parent, FOLDER) as within:
        os.fsync(within)
    return packed


def _pack(top: int, to: Path, compression: Compression) -> CopyResult:
    packed, quota = CopyResult(), Quota()
    with to.open("xb") as file:
        with _writing(file, compression) as archive:
            for entry in walk(top, whole=True):
                _add(archive, entry, packed, quota)
        file.flush()
        os.fsync(file.fileno())
    return packed


def summarize_archive(archive: Path) -> CopyResult:
    """Return the number of files in an archive."""
    with tarfile.open(archive) as packed:
        return CopyResult(files=sum(member.isreg() for member in packed))


def unpack(archive: Path, to: Path) -> None:
    """Unpack an archive into a new folder that no other process uses.

    Raises:
        Refusal: WORKSPACE_FULL.
        OSError: a file cannot be read or written.
        tarfile.TarError: the archive is damaged, or has a member that no workspace can have.
    """
    quota = Quota()
    to.mkdir(mode=0o700, parents=True)
    with tarfile.open(archive) as packed:
        for member in packed:
            quota.consume(member.size)
            steps = _steps(member.name)
            if member.issym():
                create_symlink(to, steps, member.linkname)
            elif member.isdir():
                create_folder(to, steps)
            elif member.isreg() and (content := packed.extractfile(member)):
                create_file(to, steps, content, member.size, member.mode, int(member.mtime) * 10**9)


def _steps(path: str) -> list[str]:
    steps = path.split("/")
    if any(step in ("", ".", "..") for step in steps):
        raise tarfile.TarError(f"{path!r} leads outside the workspace")
    return steps


def _writing(file: IO[bytes], compression: Compression) -> tarfile.TarFile:
    match compression:
        case "gzip":
            return tarfile.open(fileobj=file, mode="w:gz", compresslevel=6)
        case "bzip2":
            return tarfile.open(fileobj=file, mode="w:bz2")
        case "xz":
            return tarfile.open(fileobj=file, mode="w:xz", preset=1)
        case "zstd":
            return tarfile.open(fileobj=file, mode="w:zst")
        case "none":
            return tarfile.open(fileobj=file, mode="w")


def _add(archive: tarfile.TarFile, entry: Entry, packed: CopyResult, quota: Quota) -> None:
    info, mode = tarfile.TarInfo("/".join(entry.steps)), entry.status.st_mode
    info.mode, info.mtime = stat.S_IMODE(mode) & 0o777, int(entry.status.st_mtime)
    if stat.S_ISDIR(mode):
        quota.consume(0)
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    elif stat.S_ISLNK(mode):
        quota.consume(0)
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(entry.name, dir_fd=entry.within)
        archive.addfile(info)
    elif stat.S_ISREG(mode) and _add_file(archive, info, entry, quota):
        packed.files += 1
    else:
        packed.left_out += 1


def _add_file(archive: tarfile.TarFile, info: tarfile.TarInfo, entry: Entry, quota: Quota) -> bool:
    try:
        descriptor = open_entry(entry.name, FILE, entry.within)
    except OSError as error:
        if not is_gone(error):
            raise
        return False
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return False
        quota.consume(status.st_size)
        info.size = status.st_size
        archive.addfile(info, file)
    return True
