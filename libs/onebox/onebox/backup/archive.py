"""The form of a backup: a tar archive in zstd, written and read as a stream."""

import hashlib
import io
import os
import stat
import sys
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from pydantic import BaseModel, ValidationError

from onebox.backup import BackupFailed
from onebox.backup.manifest import End, Manifest
from onebox.backup.progress import Progress

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, ZstdFile
else:
    from backports.zstd import ZstdError, ZstdFile

LEVEL = 3
MANIFEST, END, DATABASE = "manifest.json", "end.json", "database"
MAX_JSON_BYTES = 2**26
ENTRY_BYTES = 4096
"""What an entry of a folder takes on a disk, at least."""


class _Digesting(io.RawIOBase):
    """Writes to a file, and computes the SHA-256 of what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        view = cast(bytes, data)
        self.sha256.update(view)
        return self.file.write(view)


class _Exact(io.RawIOBase):
    """Reads a file that may shrink meanwhile: what is missing is read as zeros."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, size: int = -1, /) -> bytes:
        return self.file.read(size).ljust(size, b"\0")


class Writer:
    """Writes the members of a backup."""

    def __init__(self, tar: tarfile.TarFile, digesting: _Digesting) -> None:
        self._tar, self._digesting = tar, digesting
        self._progress = Progress()

    @classmethod
    @contextmanager
    def to(cls, file: BinaryIO) -> "Generator[Writer]":
        """Write to a file; after the block, `sha256` is that of all of it."""
        digesting = _Digesting(file)
        with (
            ZstdFile(cast(BinaryIO, digesting), "wb", level=LEVEL) as compressed,
            tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            yield cls(tar, digesting)

    @property
    def unpacked_bytes(self) -> int:
        """The space that the content needs."""
        return self._progress.bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written."""
        return self._digesting.sha256.hexdigest()

    def add(self, name: str, data: bytes) -> None:
        """Add a member with this content."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._add(info, io.BytesIO(data))

    def add_folder(self, name: str) -> None:
        """Add a folder."""
        info = tarfile.TarInfo(name)
        info.type = tarfile.DIRTYPE
        self._add(info)

    def add_link(self, name: str, target: str) -> None:
        """Add a symlink."""
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._add(info)

    def add_file(self, name: str, file: BinaryIO) -> bool:
        """Add an open file, as large as it is now; return whether it is a regular file."""
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return False
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = status.st_size, status.st_mode & 0o777, status.st_mtime_ns / 1e9
        self._add(info, _Exact(file))
        return True

    def _add(self, info: tarfile.TarInfo, content: io.IOBase | None = None) -> None:
        self._tar.addfile(info, cast(io.BytesIO, content))
        _forget(self._tar)
        self._progress.add(info.size + ENTRY_BYTES)


class Reader:
    """Reads the members of a backup, in their order."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    @classmethod
    @contextmanager
    def of(cls, file: BinaryIO) -> "Generator[Reader]":
        """Read from a file.

        Raises:
            BackupFailed: it is not a backup.
        """
        try:
            with ZstdFile(file) as compressed, tarfile.open(fileobj=compressed, mode="r|") as tar:
                yield cls(tar)
        except (ZstdError, EOFError, tarfile.TarError) as error:
            raise BackupFailed(f"This is not a backup, or it is damaged: {error}.") from None

    def manifest(self) -> Manifest:
        """Read the first member.

        Raises:
            BackupFailed: it is something else.
        """
        member = next(iter(self), None)
        if member is None or member.name != MANIFEST:
            raise BackupFailed("This is not a backup: it does not begin with a description.")
        return _parsed(Manifest, self.content(member))

    def end(self, member: tarfile.TarInfo) -> End:
        """Read the last member."""
        return _parsed(End, self.content(member))

    def content(self, member: tarfile.TarInfo) -> bytes:
        """Return the content of a small member.

        Raises:
            BackupFailed: it is not small, or no file.
        """
        if not member.isreg() or member.size > MAX_JSON_BYTES:
            raise BackupFailed(f"The backup has an unexpected member: {member.name[:100]!r}.")
        return self.stream(member).read()

    def stream(self, member: tarfile.TarInfo) -> "io.BufferedIOBase":
        """Return the content of a file."""
        return cast(io.BufferedIOBase, self._tar.extractfile(member))

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        while member := self._tar.next():
            _forget(self._tar)
            yield member


def _parsed[M: BaseModel](model: type[M], content: bytes) -> M:
    try:
        return model.model_validate_json(content)
    except ValidationError:
        raise BackupFailed("The description of the backup cannot be read: a later release may have made it.") from None


def _forget(tar: tarfile.TarFile) -> None:
    """Forget the members so far, so that memory does not grow with their number."""
    cast(Any, tar).members.clear()
