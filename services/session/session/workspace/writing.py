"""Files, folders and symlinks put into a folder, step by step, so that nothing leads out of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from runtime.files.paths import opened_folder

BLOCK_BYTES = 1024 * 1024
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Source(Protocol):
    """What bytes come from."""

    def read(self, n: int, /) -> bytes:
        """Give up to `n` bytes; none at the end."""
        ...


def create_folder(root: Path, steps: Sequence[str]) -> None:
    """Make a folder; those above are there."""
    *above, name = steps
    with opened_folder(root, above) as within:
        os.mkdir(name, dir_fd=within)


def create_symlink(root: Path, steps: Sequence[str], target: str) -> None:
    """Make a symlink. It may lead anywhere: nobody follows it."""
    *above, name = steps
    with opened_folder(root, above) as within:
        os.symlink(target, name, dir_fd=within)


def create_file(root: Path, steps: Sequence[str], source: Source, size: int, mode: int, modified_ns: int) -> None:
    """Write a file of `size` bytes, which its owner can read and write, whatever its mode says."""
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
