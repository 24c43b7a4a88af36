"""Creates files, folders and symlinks below a folder, opening each path step by step so that no symlink is followed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from runtime.files.paths import opened_folder

BLOCK_BYTES = 1024 * 1024
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Source(Protocol):
    """A source of bytes."""

    def read(self, n: int, /) -> bytes:
        """Return up to `n` bytes; none at the end."""
        ...


def create_folder(root: Path, steps: Sequence[str]) -> None:
    """Create a folder, whose parents exist."""
    *above, name = steps
    with opened_folder(root, above) as within:
        os.mkdir(name, dir_fd=within)


def create_symlink(root: Path, steps: Sequence[str], target: str) -> None:
    """Create a symlink. It may lead anywhere, because no symlink is ever followed."""
    *above, name = steps
    with opened_folder(root, above) as within:
        os.symlink(target, name, dir_fd=within)


def create_file(root: Path, steps: Sequence[str], source: Source, size: int, mode: int, modified_ns: int) -> None:
    """Create a file from `size` bytes of `source`. Its owner can always read and write it, regardless of `mode`."""
    *above, name = steps
    with (
        opened_folder(root, above) as within,
        os.fdopen(os.open(name, CREATE_FLAGS, 0o600, dir_fd=within), "wb") as file,
    ):
        while size and (data := source.read(min(BLOCK_BYTES, size))):
            file.write(data)
            size -= len(data)
        file.flush()
        os.fchmod(file.fileno(), mode & 0o777 | 0o600)
        os.utime(file.fileno(), ns=(modified_ns, modified_ns))
