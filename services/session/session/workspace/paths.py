"""From a path of a client to an open place in a workspace, step by step, so that nothing leads out of it.

The agent may change any folder while it is walked through. So each step is opened in the one before, and never over a
symlink: a folder that was moved meanwhile still lies in the workspace, because an agent's walls end there.
"""

import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contracts.refusals import Code, Refusal

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, a pipe would wait for who writes to it.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

LONGEST_PATH, LONGEST_NAME, DEEPEST = 4096, 255, 64

_MEANING = {
    errno.ENOENT: (Code.FILE_NOT_FOUND, "There is nothing at {}."),
    errno.ENAMETOOLONG: (Code.INVALID_PATH, "The path {} is too long."),
    errno.ENOTDIR: (Code.NOT_A_FILE, "The path {} leads over something that is no folder."),
    errno.ELOOP: (Code.NOT_A_FILE, "{} is a symlink, which is not followed."),
    errno.EISDIR: (Code.NOT_A_FILE, "{} is a folder."),
    errno.ENOTEMPTY: (Code.NOT_A_FILE, "{} is a folder."),
    errno.ENXIO: (Code.NOT_A_FILE, "{} is neither a file nor a folder."),
    errno.EACCES: (Code.NOT_A_FILE, "The agent has closed {}."),
    errno.ENOSPC: (Code.STORAGE_FAILED, "There is no room left for {}."),
    errno.EFBIG: (Code.STORAGE_FAILED, "There is no room left for {}."),
    errno.EDQUOT: (Code.STORAGE_FAILED, "There is no room left for {}."),
}


def names(path: str) -> list[str]:
    """Give the names that a path is made of, seen from the workspace.

    Raises:
        Refusal: INVALID_PATH; it is absolute or empty, or could mean something outside.
    """
    steps = path.split("/")
    try:
        long = len(path.encode()) > LONGEST_PATH or any(len(step.encode()) > LONGEST_NAME for step in steps)
    except UnicodeEncodeError:
        raise Refusal(Code.INVALID_PATH, "The path is not valid Unicode.") from None
    if long or len(steps) > DEEPEST:
        raise Refusal(Code.INVALID_PATH, f"The path is too long: {path[:40]!r}…")
    if "\0" in path or any(step in ("", ".", "..") for step in steps):
        raise Refusal(Code.INVALID_PATH, f"The path must be relative, without empty steps, '.' and '..': {path!r}.")
    return steps


@contextmanager
def meaning(path: str) -> Generator[None]:
    """Let what the system says no to be a refusal; what is a fault stays one."""
    try:
        yield
    except OSError as error:
        if error.errno not in _MEANING:
            raise
        code, detail = _MEANING[error.errno]
        raise Refusal(code, detail.format(repr(path))) from None


@contextmanager
def opened(name: str | Path, flags: int, within: int | None = None) -> Generator[int]:
    """Open something, also what the agent closed to its own account, and close it in the end."""
    place = open_place(name, flags, within)
    try:
        yield place
    finally:
        os.close(place)


def open_place(name: str | Path, flags: int, within: int | None = None) -> int:
    """Open something as its owner can, whatever its mode says."""
    try:
        place = os.open(name, flags, dir_fd=within)
    except PermissionError:
        let_owner(name, within)
        place = os.open(name, flags, dir_fd=within)
    if flags & os.O_DIRECTORY:
        _let_owner(place, stat.S_IRUSR | stat.S_IXUSR)
    return place


def let_owner(name: str | Path, within: int | None = None) -> None:
    """Let the owner of a file or a folder do all with it; a symlink is left alone."""
    place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        _let_owner(place, stat.S_IRWXU)
    finally:
        os.close(place)


def _let_owner(place: int, wanted: int) -> None:
    mode = os.fstat(place).st_mode
    if (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and mode & wanted != wanted:
        Path(f"/proc/self/fd/{place}").chmod(stat.S_IMODE(mode) | wanted)


def is_gone(error: OSError) -> bool:
    """Whether something is not there any more, or is something else now."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@contextmanager
def folder(root: Path, steps: Sequence[str], *, make: bool = False) -> Generator[int]:
    """Open the folder that the steps lead to; `make` those that are missing.

    Raises:
        OSError: a step is missing, or no folder.
    """
    if make:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = open_place(root, FOLDER)
    try:
        for step in steps:
            if make:
                _made(step, place)
            below = open_place(step, FOLDER, place)
            os.close(place)
            place = below
        yield place
    finally:
        os.close(place)


def _made(step: str, place: int) -> None:
    try:
        os.mkdir(step, 0o755, dir_fd=place)
    except FileExistsError:
        return
    os.fsync(place)
