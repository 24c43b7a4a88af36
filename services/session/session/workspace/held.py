"""The folder of a workspace, held open while a job checks whether it may still remove it."""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.files.erasing import empty
from runtime.files.paths import FOLDER, open_entry


class HeldFolder:
    """A folder as it was when it was opened. One that replaces it meanwhile, at the same path, is another one."""

    def __init__(self, root: Path, descriptor: int | None) -> None:
        self.root, self._descriptor = root, descriptor

    def remove(self) -> bool:
        """Remove the folder with its contents, if there was one; return False if another one has replaced it.

        Raises:
            OSError: as `erase` does.
        """
        if self._descriptor is None:
            return not self.root.exists()
        if not self._is_present(self._descriptor):
            return False
        os.fchmod(self._descriptor, stat.S_IRWXU)
        empty(self._descriptor)
        self.root.rmdir()  # fails if another folder with files has replaced it by now
        return True

    def _is_present(self, descriptor: int) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.root.stat(follow_symlinks=False))
        return False


@contextmanager
def held(root: Path) -> Generator[HeldFolder]:
    """Hold a folder, which may not exist."""
    try:
        descriptor = open_entry(root, FOLDER)
    except FileNotFoundError:
        yield HeldFolder(root, None)
        return
    try:
        yield HeldFolder(root, descriptor)
    finally:
        os.close(descriptor)
