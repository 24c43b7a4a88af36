"""A folder of secrets, each in a file of its own, so that each container gets only its own ones."""

import fcntl
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from onebox.errors import CannotStart
from onebox.folder import write_whole

MOUNTED = 0o644
"""The mode of a file that containers mount. Their users differ, and none is the one who created it; on the machine
nobody else reaches it, since the folder is closed to others."""
PRIVATE = 0o600


@dataclass(frozen=True)
class SecretFolder:
    """A folder that only its owner may enter. `written` are the names of the files that were written."""

    path: Path
    written: list[str] = field(default_factory=list[str])

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Generator[Self]:
        """Create the folder if it does not exist, and lock it, so that one process at a time uses it.

        Raises:
            CannotStart: it is no folder, belongs to another user, or others may read it.
        """
        if not path.exists():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.is_dir():
            raise CannotStart(f"{path} is not a folder")
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _check(path, os.fstat(lock))
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield cls(path)
        finally:
            os.close(lock)

    def kept(self, name: str, create: Callable[[], str], mode: int = MOUNTED) -> str:
        """Return the secret in a file, without line breaks at its end; create it if the file does not exist."""
        if not self.has(name):
            self.write(name, create(), mode)
        (self.path / name).chmod(mode)
        return self.read(name)

    def has(self, name: str) -> bool:
        """Return whether a file exists."""
        return (self.path / name).exists()

    def read(self, name: str) -> str:
        """Return the secret in a file, without line breaks at its end."""
        try:
            return (self.path / name).read_text().rstrip("\r\n")
        except UnicodeDecodeError:
            raise CannotStart(f"{name} is not text") from None

    def write(self, name: str, text: str, mode: int = MOUNTED) -> None:
        """Write a file, which after a crash is the former or the new one."""
        write_whole(self.path / name, text, mode)
        self.written.append(name)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        (self.path / name).unlink(missing_ok=True)


def _check(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise CannotStart(f"{path} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise CannotStart(f"other users may use {path}. Run `chmod 700 {path}`")
