"""Views of the entries of a workspace, for clients."""

import os
import stat

from contracts.session.workspace import FileType, FileView
from runtime.files.parts import modified_at


def view(path: str, status: os.stat_result) -> FileView:
    """Return an entry at a path."""
    return FileView(path=path, type=_type(status.st_mode), size_bytes=status.st_size, modified_at=modified_at(status))


def _type(mode: int) -> FileType:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"
