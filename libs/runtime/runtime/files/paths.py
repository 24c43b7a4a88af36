"""From a path that a client names to an open file below a folder, step by step, so that no path leads out of it.

Whoever can write in the folder, such as an agent in its workspace, may change it meanwhile. So each step is opened in
the one before, and never over a symlink: a folder that was moved meanwhile still lies where its writer can reach.
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

MAX_PATH_LENGTH, MAX_NAME_LENGTH, MAX_DEPTH = 4096, 255, 64

_REFUSALS = {
    errno.ENOENT: (Code.FILE_NOT_FOUND, "There is nothing at {}."),
    errno.ENAMETOOLONG: (Code.INVALID_PATH, "The path {} is too long."),
    errno.ENOTDIR: (Code.NOT_A_FILE, "The path {} leads over something that is no folder."),
    errno.ELOOP: (Code.NOT_A_FILE, "{} is a symlink, which is not followed."),
    errno.EISDIR: (Code.NOT_A_FILE, "{} is a folder."),
    errno.ENOTEMPTY: (Code.NOT_A_FILE, "{} is a folder."),
    errno.ENXIO: (Code.NOT_A_FILE, "{} is neither a file nor a folder."),
    errno.EACCES: (Code.NOT_A_FILE, "There is no permission to open {}."),
    errno.ENOSPC: (Code.STORAGE_FAILED, "There is no room left for {}."),
    errno.EFBIG: (Code.STORAGE_FAILED, "There is no room left for {}."),
    errno.EDQUOT: (Code.STORAGE_FAILED, "There is no room left for {}."),
}


def split_path(path: str) -> list[str]:
    """Return the names that a relative path is made of.

    Raises:
        Refusal: INVALID_PATH; it is absolute or empty, or could mean something outside.
    """
    steps = path.split("/")
    try:
        long = len(path.encode()) > MAX_PATH_LENGTH or any(len(step.encode()) > MAX_NAME_LENGTH for step in steps)
    except UnicodeEncodeError:
        raise Refusal(Code.INVALID_PATH, "The path is not valid Unicode.") from None
    if long or len(steps) > MAX_DEPTH:
        raise Refusal(Code.INVALID_PATH, f"The path is too long: {path[:40]!r}…")
    if "\0" in path or any(step in ("", ".", "..") for step in steps):
        raise Refusal(Code.INVALID_PATH, f"The path must be relative, without empty steps, '.' and '..': {path!r}.")
    return steps


@contextmanager
def os_errors_as_refusals(path: str) -> Generator[None]:
    """Turn an OSError that says what is wrong with a path into a refusal; other errors stay what they are."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        code, detail = _REFUSALS[error.errno]
        raise Refusal(code, detail.format(repr(path))) from None


@contextmanager
def opened(name: str | Path, flags: int, within: int | None = None) -> Generator[int]:
    """Open a file or a folder as `open_entry` does, and close it in the end."""
    descriptor = open_entry(name, flags, within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_entry(name: str | Path, flags: int, within: int | None = None) -> int:
    """Return the descriptor of a file or a folder, opened as its owner can, whatever its mode says."""
    try:
        descriptor = os.open(name, flags, dir_fd=within)
    except PermissionError:
        grant_owner(name, within)
        descriptor = os.open(name, flags, dir_fd=within)
    if flags & os.O_DIRECTORY:
        _grant(descriptor, stat.S_IRUSR | stat.S_IXUSR)
    return descriptor


def grant_owner(name: str | Path, within: int | None = None) -> None:
    """Give the owner of a file or a folder all permissions for it; a symlink is left alone."""
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
    """Return whether an error says that something is not there any more, or is something else now."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@contextmanager
def opened_folder(root: Path, steps: Sequence[str], *, make: bool = False) -> Generator[int]:
    """Open the folder below `root` that the steps lead to, and close it in the end; `make` those that are missing.

    Raises:
        OSError: a step is missing, or no folder.
    """
    if make:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = open_entry(root, FOLDER)
    try:
        for step in steps:
            if make:
                _make(step, descriptor)
            below = open_entry(step, FOLDER, descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _make(step: str, descriptor: int) -> None:
    try:
        os.mkdir(step, 0o755, dir_fd=descriptor)
    except FileExistsError:
        return
    os.fsync(descriptor)
