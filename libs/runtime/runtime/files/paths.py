"""Opening a path that a client sent below a folder, so that no path leads out of that folder.

An agent can write to its workspace while the service opens a path in it. So each step of the path is opened relative to
the descriptor of the step before, without following symlinks: checking a path first and opening it afterwards would be
a race, which an agent wins by replacing a folder with a link. A folder that is moved meanwhile stays within its reach.
"""

import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contracts.refusals import Code, Refusal

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would block until another process writes to it.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

MAX_PATH_LENGTH, MAX_NAME_LENGTH, MAX_DEPTH = 4096, 255, 64

_REFUSALS = {
    errno.ENOENT: (Code.FILE_NOT_FOUND, "{} does not exist."),
    errno.ENAMETOOLONG: (Code.INVALID_PATH, "The path {} is too long."),
    errno.ENOTDIR: (Code.NOT_A_FILE, "A part of the path {} is not a folder."),
    errno.ELOOP: (Code.NOT_A_FILE, "{} is a symbolic link. Links are not followed."),
    errno.EISDIR: (Code.NOT_A_FILE, "{} is a folder."),
    errno.ENOTEMPTY: (Code.NOT_A_FILE, "{} is a folder."),
    errno.ENXIO: (Code.NOT_A_FILE, "{} is neither a regular file nor a folder."),
    errno.EACCES: (Code.NOT_A_FILE, "The permissions of {} do not allow opening it."),
    errno.ENOSPC: (Code.STORAGE_FAILED, "There is no space left to store {}."),
    errno.EFBIG: (Code.STORAGE_FAILED, "There is no space left to store {}."),
    errno.EDQUOT: (Code.STORAGE_FAILED, "There is no space left to store {}."),
}


def split_path(path: str) -> list[str]:
    """Return the components of a relative path.

    Raises:
        Refusal: INVALID_PATH if it is absolute, empty, too long, or contains `.` or `..`.
    """
    steps = path.split("/")
    try:
        long = len(path.encode()) > MAX_PATH_LENGTH or any(len(step.encode()) > MAX_NAME_LENGTH for step in steps)
    except UnicodeEncodeError:
        raise Refusal(Code.INVALID_PATH, "The path is not valid Unicode.") from None
    if long or len(steps) > MAX_DEPTH:
        raise Refusal(Code.INVALID_PATH, f"The path is too long: {path[:40]!r}…")
    if "\0" in path or any(step in ("", ".", "..") for step in steps):
        raise Refusal(Code.INVALID_PATH, f"The path must be relative, and without empty parts, '.' and '..': {path!r}.")
    return steps


@contextmanager
def os_errors_as_refusals(path: str) -> Generator[None]:
    """Raise a refusal in place of an OSError that is about the path; other errors pass through."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        code, detail = _REFUSALS[error.errno]
        raise Refusal(code, detail.format(repr(path))) from None


@contextmanager
def opened(name: str | Path, flags: int, within: int | None = None) -> Generator[int]:
    """Yield a descriptor as `open_entry` returns it, and close it on exit."""
    descriptor = open_entry(name, flags, within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_entry(name: str | Path, flags: int, within: int | None = None) -> int:
    """Return a descriptor of a file or a folder; if its mode denies access, the owner is granted it first."""
    try:
        descriptor = os.open(name, flags, dir_fd=within)
    except PermissionError:
        grant_owner(name, within)
        descriptor = os.open(name, flags, dir_fd=within)
    if flags & os.O_DIRECTORY:
        _grant(descriptor, stat.S_IRUSR | stat.S_IXUSR)
    return descriptor


def grant_owner(name: str | Path, within: int | None = None) -> None:
    """Grant the owner of a file or a folder all permissions; a symlink is left as it is."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        _grant(descriptor, stat.S_IRWXU)
    finally:
        os.close(descriptor)


def _grant(descriptor: int, wanted: int) -> None:
    mode = os.fstat(descriptor).st_mode
    if (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and mode & wanted != wanted:
        Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(mode) | wanted)


def is_gone(error: OSError) -> bool:
    """Return whether an error means that an entry no longer exists, or was replaced by one of another kind."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@contextmanager
def opened_folder(root: Path, steps: Sequence[str], *, create: bool = False) -> Generator[int]:
    """Yield a descriptor of the folder at `steps` below `root`, and close it on exit; `create` missing folders.

    Raises:
        OSError: a step does not exist, or is not a folder.
    """
    if create:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = open_entry(root, FOLDER)
    try:
        for step in steps:
            if create:
                _create(step, descriptor)
            below = open_entry(step, FOLDER, descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _create(step: str, descriptor: int) -> None:
    try:
        os.mkdir(step, 0o755, dir_fd=descriptor)
    except FileExistsError:
        return
    os.fsync(descriptor)
