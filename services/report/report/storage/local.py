"""Files in a folder, which all replicas share. Only the account of the service can read them."""

import asyncio
import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from runtime import clock

from report.storage.interface import ObjectMissing, StorageDenied

PARTIAL = ".partial-"
"""Prefix of the name of a file that is being written."""
DENIED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


class LocalStorage:
    """A folder with one folder per report."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def check(self) -> None:
        """Create the folder, and check that it is writable."""
        await asyncio.to_thread(self._check)

    async def put(self, key: str, file: Path) -> None:
        """Store a copy of a local file."""
        await asyncio.to_thread(self._put, self._folder / key, file)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """Return a part of a file."""
        return await asyncio.to_thread(_read, self._folder / key, offset, length)

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys in a folder, also of files that were not written to the end."""
        return await asyncio.to_thread(self._keys, prefix)

    async def delete(self, key: str) -> None:
        """Delete a file, and its folder if that is empty then."""
        await asyncio.to_thread(_delete, self._folder / key)

    def _check(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageDenied(f"{self._folder}: {error.strerror}") from error
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise StorageDenied(f"{self._folder}: {os.strerror(errno.EACCES)}")

    def _put(self, target: Path, file: Path) -> None:
        partial = target.with_name(f"{PARTIAL}{clock.new_id()}")
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            with file.open("rb") as source, open(partial, "xb", opener=_private) as copy:
                shutil.copyfileobj(source, copy)
                copy.flush()
                os.fsync(copy.fileno())
            partial.replace(target)
        except OSError as error:
            with suppress(OSError):
                _delete(partial)
            if error.errno in DENIED:
                raise StorageDenied(os.strerror(error.errno)) from error
            raise

    def _keys(self, prefix: str) -> list[str]:
        with suppress(FileNotFoundError):
            return [f"{prefix}{path.name}" for path in (self._folder / prefix).iterdir()]
        return []


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path, offset: int, length: int) -> bytes:
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), length, offset)
    except FileNotFoundError as error:
        raise ObjectMissing(path.name) from error


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    with suppress(OSError):  # it has other files, or another worker has removed it
        path.parent.rmdir()
