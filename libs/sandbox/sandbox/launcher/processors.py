"""The processors that the processes of a sandbox use."""

import os
from contextlib import suppress

MAX_PASSES = 10


class Processors:
    """All that the launcher may use. While the sandbox yields, a quarter of them is free of its processes.

    That is the first ones, the same for all sandboxes of a machine. The only processor is used always. The launcher
    uses all: it has little to do, and might get no time beside a program that starts processes without end. It never
    sets its own, so the kernel lets it use those that are added to its cgroup later.
    """

    def __init__(self, *, yields: bool) -> None:
        self._yields = yields
        self._placed = None if yields else _processors(yields=False)

    def begin(self) -> None:
        """Place the process that becomes the program, which calls this."""
        if self._yields:
            _move(0, _processors(yields=True))

    def use(self, *, yields: bool) -> None:
        """Place all processes of the sandbox. To be repeated for what was missed, and for added processors."""
        processors = _processors(yields=yields)
        if yields or processors != self._placed:
            # What is started meanwhile, by what was not placed yet, is found by the next pass.
            complete = any(_place(processors) for _ in range(MAX_PASSES))
            self._placed = processors if complete else None


def _processors(*, yields: bool) -> set[int]:
    """Return the processors for the sandbox, of those that this process has at the moment."""
    processors = os.sched_getaffinity(0)
    free = max(1, (len(processors) + 2) // 4) if yields else 0
    return set(sorted(processors)[free:]) or processors


def _place(processors: set[int]) -> bool:
    """Let all threads use these processors only; return whether that changed nothing."""
    moved = [thread for thread in _threads() if _move(thread, processors)]
    return not moved


def _threads() -> list[int]:
    found = list[int]()
    for name in os.listdir("/proc"):  # noqa: PTH208  pathlib takes long to import
        if name.isdecimal() and name != "1":  # the launcher
            with suppress(OSError):  # it has ended
                found += map(int, os.listdir(f"/proc/{name}/task"))  # noqa: PTH208
    return found


def _move(thread: int, processors: set[int]) -> bool:
    """Let a thread use these processors; return whether that changed anything: some of them may be offline by now."""
    with suppress(OSError):  # it has ended, or none of them is left
        if (before := os.sched_getaffinity(thread)) != processors:
            os.sched_setaffinity(thread, processors)
            return os.sched_getaffinity(thread) != before
    return False
