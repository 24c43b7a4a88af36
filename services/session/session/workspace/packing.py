"""A workspace as one file: packed as it was, symlinks as symlinks, and unpacked so that nothing leads out of it."""

import os
import stat
import sys
from pathlib import Path
from typing import IO

from contracts.session.values import Compression

from session.workspace.copying import Copied
from session.workspace.paths import FILE, folder, opened
from session.workspace.walking import Entry, walk

if sys.version_info >= (3, 14):
    import tarfile
else:
    from backports.zstd import tarfile  # the one of 3.14

SUFFIX: dict[Compression, str] = {
    "gzip": ".tar.gz",
    "bzip2": ".tar.bz2",
    "xz": ".tar.xz",
    "zstd": ".tar.zst",
    "none": ".tar",
}


def pack(top: int, to: Path, compression: Compression) -> Copied:
    """Pack what lies below the open folder `top` into the file `to`: whole, or not at all, safe on the disk.

    Raises:
        OSError: there is no room, or a file shrank meanwhile.
    """
    packed, unfinished = Copied(), to.with_name(f"{to.name}.new")
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with unfinished.open("wb") as file:
        with _writing(file, compression) as archive:
            for entry in walk(top):
                _add(archive, entry, packed)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(to)
    with opened(to.parent, os.O_RDONLY | os.O_DIRECTORY) as within:
        os.fsync(within)
    return packed


def described(archive: Path) -> Copied:
    """Count the files of an archive that was packed before."""
    with tarfile.open(archive) as packed:
        return Copied(files=sum(member.isreg() for member in packed))


def unpack(archive: Path, to: Path) -> None:
    """Unpack an archive into a folder that nobody else knows.

    Raises:
        tarfile.TarError: it holds what no workspace does.
    """
    to.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        links: list[tarfile.TarInfo] = []
        for member in packed:
            if member.issym():
                links.append(member)
            elif member.isreg() or member.isdir():
                packed.extract(member, to, filter="data")
        for link in links:  # last of all, so that nothing is unpacked over one
            *above, name = _steps(link)
            with folder(to, above) as within:
                os.symlink(link.linkname, name, dir_fd=within)


def _steps(link: tarfile.TarInfo) -> list[str]:
    steps = link.name.split("/")
    if any(step in ("", ".", "..") for step in steps):
        raise tarfile.TarError(f"{link.name!r} leads elsewhere")
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


def _add(archive: tarfile.TarFile, entry: Entry, packed: Copied) -> None:
    info, mode = tarfile.TarInfo("/".join(entry.steps)), entry.status.st_mode
    info.mode, info.mtime = stat.S_IMODE(mode) & 0o777, int(entry.status.st_mtime)
    if stat.S_ISDIR(mode):
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    elif stat.S_ISLNK(mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(entry.name, dir_fd=entry.within)
        archive.addfile(info)
    elif stat.S_ISREG(mode) and _add_file(archive, info, entry):
        packed.files += 1
    else:
        packed.left_out += 1


def _add_file(archive: tarfile.TarFile, info: tarfile.TarInfo, entry: Entry) -> bool:
    try:
        place = os.open(entry.name, FILE, dir_fd=entry.within)
    except OSError:  # gone, or closed by the agent
        return False
    with os.fdopen(place, "rb") as file:
        status = os.fstat(place)
        if not stat.S_ISREG(status.st_mode):
            return False
        info.size = status.st_size
        archive.addfile(info, file)
    return True
