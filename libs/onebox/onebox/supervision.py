"""Restarting children that exited, unless they keep exiting; limiting the size of their logs."""

import time
from collections import deque
from collections.abc import Callable

from runtime.starting import EXIT_CODE

from onebox.children import Child
from onebox.errors import CannotStart, tail, tail_from

MAX_EXITS = 5
WINDOW_SECONDS = 60.0
INVALID_SETTINGS = 2  # the exit code of a service with invalid settings, for which a restart would not help


class Supervisor:
    """Watches children and restarts them; `report` writes messages to the terminal."""

    def __init__(
        self, report: Callable[[str], None], clock: Callable[[], float] = time.monotonic, first_pause: float = 0.2
    ) -> None:
        self._children: list[Child] = []
        self._report, self._clock, self._first_pause = report, clock, first_pause
        self._exits: dict[str, deque[float]] = {}
        self._restart_at: dict[str, float] = {}
        self.started = False
        """Whether the whole system has been ready. Before that, a child that cannot start stops the system."""

    def watch(self, child: Child) -> None:
        """Watch a child that has been started."""
        self._children.append(child)

    def check(self) -> None:
        """Check every child once, and restart those that exited.

        Raises:
            CannotStart: a child exited too often, or for a reason that a restart does not fix.
        """
        for child in self._children:
            child.trim_log()
            if not child.running():
                self._restart(child)

    def _restart(self, child: Child) -> None:
        now = self._clock()
        if child.name not in self._restart_at:
            self._restart_at[child.name] = now + self._record_exit(child, now)
        elif now >= self._restart_at[child.name]:
            del self._restart_at[child.name]
            child.start()

    def _record_exit(self, child: Child, now: float) -> float:
        """Count the exit, and return the seconds to wait before the restart."""
        child.kill_group()
        if child.exit_code in {INVALID_SETTINGS, EXIT_CODE}:
            return self._record_startup_failure(child)
        exits = self._exits.setdefault(child.name, deque())
        exits.append(now)
        while exits[0] < now - WINDOW_SECONDS:
            exits.popleft()
        if len(exits) > MAX_EXITS:
            raise CannotStart(
                f"{child.name} exited {len(exits)} times within a minute ({_exit_status(child)}). Stopping the system."
                f"\n{tail(child.log)}"
            )
        self._report(f"{child.name} exited ({_exit_status(child)}) and is being restarted. Log: {child.log}")
        return self._first_pause * 2 ** (len(exits) - 1)

    def _record_startup_failure(self, child: Child) -> float:
        """Raise while the system is starting. Later, restart the child, since its dependency may become available."""
        message = tail_from(child.log, f"{child.name} cannot start")
        if child.exit_code == INVALID_SETTINGS or not self.started:
            raise CannotStart(message or f"{child.name} rejected its settings.\n{tail(child.log)}")
        self._report(f"{message or f'{child.name} cannot start.'} Restarting it ({_exit_status(child)}).")
        return self._first_pause


def _exit_status(child: Child) -> str:
    code = child.exit_code or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
