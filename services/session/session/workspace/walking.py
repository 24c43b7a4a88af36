"""Through all that lies in a folder, without following a symlink, whatever the agent does to it meanwhile."""

import os
import stat
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from session.workspace.paths import DEEPEST, FOLDER

WIDEST = 100_000


@dataclass(frozen=True)
class Entry:
    """What was found: its steps from the top, and the open folder in which it lies, as long as it is looked at."""

    steps: tuple[str, ...]
    status: os.stat_result
    within: int

    @property
    def name(self) -> str:
        """Its name in its folder."""
        return self.steps[-1]

    @property
    def path(self) -> str:
        """Its path as it is shown; what is not Unicode in it has no name that a client could say."""
        return os.fsencode("/".join(self.steps)).decode(errors="replace")


def walk(top: int) -> Generator[Entry]:
    """Give all that lies below the open folder `top`, a folder before what is in it, in the order of names."""
    stack: list[tuple[int, tuple[str, ...], Iterator[str]]] = [(top, (), _names(top))]
    try:
        while stack:
            within, steps, names = stack[-1]
            name = next(names, None)
            if name is None:
                _leave(stack)
                continue
            with suppress(FileNotFoundError):
                entry = Entry((*steps, name), os.stat(name, dir_fd=within, follow_symlinks=False), within)
                yield entry
                if stat.S_ISDIR(entry.status.st_mode) and len(stack) < DEEPEST:
                    with suppress(OSError):  # gone, or no folder any more, or closed by the agent
                        below = os.open(name, FOLDER, dir_fd=within)
                        stack.append((below, entry.steps, _names(below)))
    finally:
        while stack:
            _leave(stack)


def _leave(stack: list[tuple[int, tuple[str, ...], Iterator[str]]]) -> None:
    place, *_ = stack.pop()
    if stack:  # `top` is the caller's
        os.close(place)


def _names(place: int) -> Iterator[str]:
    with os.scandir(place) as found:
        return iter(sorted(entry.name for entry in islice(found, WIDEST)))
