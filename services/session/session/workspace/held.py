"""The folder of a workspace, held open while a job checks whether it may still remove it."""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from runtime.files.erasing import empty
from runtime.files.paths import FOLDER, open_entry, opened


class HeldFolder:
    """A folder as it was when it was opened. One that replaces it meanwhile, at the same path, is another one."""

    def __init__(self, root: Path, status: os.stat_result | None) -> None:
        self.root, self._status = root, status

    def remove(self) -> bool:
        """Remove the folder with its contents, if there was one; return False if another one has replaced it.

        It opens the folder itself: its thread goes on when the job is cancelled, after which the folder is not held any
        more, and the number of a closed descriptor may be that of another folder.

        Raises:
            OSError: as `erase` does.
        """
        if self._status is None:
            return not self.root.exists()
        try:
            with opened(self.root, FOLDER) as folder:
                if not os.path.samestat(self._status, os.fstat(folder)):
                    return False
                os.fchmod(folder, stat.S_IRWXU)
                empty(folder)
        except FileNotFoundError:
            return False
        self.root.rmdir()  # fails if another folder with files has replaced it by now
        return True


@contextmanager
def held(root: Path) -> Generator[HeldFolder]:
    """Hold a folder, which may not exist. As long as it is open, no other one gets its inode number."""
    try:
        descriptor = open_entry(root, FOLDER)
    except FileNotFoundError:
        yield HeldFolder(root, None)
        return
    try:
        yield HeldFolder(root, os.fstat(descriptor))
    finally:
        os.close(descriptor)
