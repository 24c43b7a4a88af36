"""Walks through a folder without following symlinks, safe against concurrent changes by an agent."""

import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice

from contracts.refusals import Code, Refusal
from runtime.files.paths import FOLDER, MAX_DEPTH, is_gone, open_entry

MAX_FOLDER_ENTRIES = 100_000

type Level = tuple[int, tuple[str, ...], Iterator[str]]


@dataclass(frozen=True)
class Entry:
    """A directory entry: its path from the top, its status, and the open folder that contains it.

    `within` is valid only until the walk continues.
    """

    steps: tuple[str, ...]
    status: os.stat_result
    within: int

    @property
    def name(self) -> str:
        """The name in its folder."""
        return self.steps[-1]

    @property
    def path(self) -> str:
        """The path as clients see it; bytes that are not valid UTF-8 are replaced."""
        return os.fsencode("/".join(self.steps)).decode(errors="replace")


def walk(top: int, *, whole: bool = False) -> Generator[Entry]:
    """Yield all entries below the open folder `top` by name, a folder before its contents.

    Entries that disappear meanwhile are skipped, and so are those beyond the limits on depth and folder size.

    Raises:
        Refusal: WORKSPACE_FULL if a limit is exceeded and `whole` is set.
    """
    stack: list[Level] = [(top, (), _names(top, whole))]
    try:
        while stack:
            yield from _step(stack, whole)
    finally:
        while stack:
            _close_level(stack)


def _step(stack: list[Level], whole: bool) -> Generator[Entry]:
    within, steps, names = stack[-1]
    name = next(names, None)
    if name is None:
        _close_level(stack)
    elif entry := _stat_entry(within, (*steps, name)):
        yield entry
        if stat.S_ISDIR(entry.status.st_mode):
            _descend(entry, stack, whole)


def _stat_entry(within: int, steps: tuple[str, ...]) -> Entry | None:
    try:
        return Entry(steps, os.stat(steps[-1], dir_fd=within, follow_symlinks=False), within)
    except FileNotFoundError:
        return None


def _descend(entry: Entry, stack: list[Level], whole: bool) -> None:
    if len(stack) == MAX_DEPTH:
        if whole:
            raise Refusal(Code.WORKSPACE_FULL, f"A workspace is at most {MAX_DEPTH} folders deep.")
        return
    try:
        below = open_entry(entry.name, FOLDER, entry.within)
    except OSError as error:
        if not is_gone(error):
            raise
    else:
        stack.append((below, entry.steps, iter(())))
        stack[-1] = (below, entry.steps, _names(below, whole))


def _close_level(stack: list[Level]) -> None:
    descriptor, *_ = stack.pop()
    if stack:  # `top` is closed by the caller
        os.close(descriptor)


def _names(descriptor: int, whole: bool) -> Iterator[str]:
    with os.scandir(descriptor) as found:
        names = [entry.name for entry in islice(found, MAX_FOLDER_ENTRIES + 1)]
    if len(names) > MAX_FOLDER_ENTRIES and whole:
        raise Refusal(Code.WORKSPACE_FULL, f"A folder of a workspace has at most {MAX_FOLDER_ENTRIES} entries.")
    return iter(sorted(names[:MAX_FOLDER_ENTRIES]))
