"""Removes what a run has written beyond the quota of its workspace, so that the session can be used again."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from heapq import heappush, heappushpop
from pathlib import Path
from tempfile import TemporaryFile

from contracts.refusals import Refusal
from runtime.files.erasing import erase_within
from runtime.files.paths import MAX_DEPTH, opened_folder

from session.workspace import quota
from session.workspace.measuring import measure
from session.workspace.walking import Entry, walk

MAX_SORTED = 10_000
"""How many files are removed one by one; a run with more of them loses all that it wrote."""

type Sized = tuple[int, tuple[str, ...]]


def remove_largest(root: Path, since_ns: int, max_bytes: int) -> int:
    """Remove the largest files that have changed since then, until all have `max_bytes`; return the number removed.

    Raises:
        OSError: a file cannot be removed.
    """
    with opened_folder(root, []) as top:
        total, largest = _sizes(top, since_ns)
    removed = 0
    for size, steps in sorted(largest, reverse=True):
        if total <= max_bytes:
            break
        with suppress(FileNotFoundError):
            _unlink(root, steps)
        total, removed = total - size, removed + 1
    return removed


def _sizes(top: int, since_ns: int) -> tuple[int, list[Sized]]:
    """Return the size of all files, and the largest of those that have changed since then."""
    total, largest = 0, list[Sized]()
    for entry in walk(top):
        if not stat.S_ISREG(entry.status.st_mode):
            continue
        total += entry.status.st_size
        if entry.status.st_ctime_ns > since_ns:  # an agent cannot set this time
            push = heappush if len(largest) < MAX_SORTED else heappushpop
            push(largest, (entry.status.st_size, entry.steps))
    return total, largest


def _unlink(root: Path, steps: Sequence[str]) -> None:
    *above, name = steps
    with opened_folder(root, above) as within:
        _make_writable(within)
        os.unlink(name, dir_fd=within)


def remove_changed(root: Path, since_ns: int) -> int:
    """Remove files that have changed since then, and empty folders; return the number removed.

    One call removes those that a walk finds, so it is called until it finds none.

    Raises:
        OSError: a file cannot be removed.
    """
    with opened_folder(root, []) as top:
        return sum(_removed(entry) for entry in walk(top) if entry.status.st_ctime_ns > since_ns)


def _removed(entry: Entry) -> bool:
    """Remove an entry, unless it is a folder with contents; return whether it was removed."""
    _make_writable(entry.within)
    try:
        if not stat.S_ISDIR(entry.status.st_mode):
            os.unlink(entry.name, dir_fd=entry.within)
        elif len(entry.steps) >= MAX_DEPTH:  # walks do not enter it
            erase_within(entry.name, entry.within)
        else:
            os.rmdir(entry.name, dir_fd=entry.within)
    except FileNotFoundError:
        return False
    except OSError:
        if stat.S_ISDIR(entry.status.st_mode) and len(entry.steps) < MAX_DEPTH:  # it is not empty
            return False
        raise
    return True


def _make_writable(folder: int) -> None:
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if not mode & stat.S_IWUSR:
        os.fchmod(folder, mode | stat.S_IRWXU)


def remove_excess(root: Path, since_ns: int) -> int:
    """Remove what has changed since then as far as a workspace exceeds its quota; return how much was removed.

    The largest files are removed first. If that is not enough, because there are too many files or folders, all files
    that have changed are removed.

    Raises:
        OSError: a file cannot be removed.
    """
    removed = remove_largest(root, since_ns, quota.MAX_BYTES)
    while not _fits(root) and (more := remove_changed(root, since_ns)):
        removed += more
    return removed


def _fits(root: Path) -> bool:
    try:
        measure(root)
    except Refusal:
        return False
    return True


def change_time(root: Path) -> int:
    """Return the present time of a workspace's file system, in nanoseconds, which may differ from that of this machine.

    Raises:
        OSError: nothing can be written there.
    """
    with TemporaryFile(dir=root.parent) as file:
        return os.fstat(file.fileno()).st_ctime_ns
