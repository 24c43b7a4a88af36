"""Dead children are started again, unless they keep dying; the logs of all are kept small."""

import time
from collections import deque
from collections.abc import Callable

from runtime.starting import EXIT_CODE

from onebox.children import Child
from onebox.trouble import CannotStart, last_words, tail

MAX_DEATHS = 5
WINDOW = 60.0
WRONG_SETTINGS = 2  # the exit code of a service whose settings are wrong: starting it again would not help


class Supervisor:
    """Watches children; `say` tells the person at the terminal what happens."""

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic, first_pause: float = 0.2
    ) -> None:
        self._children: list[Child] = []
        self._say, self._clock, self._first_pause = say, clock, first_pause
        self._deaths: dict[str, deque[float]] = {}
        self._due: dict[str, float] = {}
        self.started = False
        """Whether the whole system was ready once: until then, what a child cannot start without ends everything."""

    def watch(self, child: Child) -> None:
        """Watch this one too; it has been started."""
        self._children.append(child)

    def check(self) -> None:
        """Look after every child once.

        Raises:
            CannotStart: one of them died too often, or of something that another start does not cure.
        """
        for child in self._children:
            child.trim_log()
            if not child.running():
                self._revive(child)

    def _revive(self, child: Child) -> None:
        now = self._clock()
        if child.name not in self._due:
            self._due[child.name] = now + self._record_exit(child, now)
        elif now >= self._due[child.name]:
            del self._due[child.name]
            child.start()

    def _record_exit(self, child: Child, now: float) -> float:
        """Count the death, and say how long to wait before the next start."""
        child.sweep()
        if child.exit_code in {WRONG_SETTINGS, EXIT_CODE}:
            return self._lacking(child)
        deaths = self._deaths.setdefault(child.name, deque())
        deaths.append(now)
        while deaths[0] < now - WINDOW:
            deaths.popleft()
        if len(deaths) > MAX_DEATHS:
            raise CannotStart(
                f"{child.name} ended {len(deaths)} times within a minute ({_how(child)}): everything is being stopped."
                f"\n{tail(child.log)}"
            )
        self._say(f"{child.name} ended ({_how(child)}); it is started again. Its log: {child.log}")
        return self._first_pause * 2 ** (len(deaths) - 1)

    def _lacking(self, child: Child) -> float:
        """Give up a child that lacks something. In a system that was ready once it may come back: it is tried again."""
        words = last_words(child.log, f"{child.name} cannot start")
        if child.exit_code == WRONG_SETTINGS or not self.started:
            raise CannotStart(words or f"{child.name} cannot work with its settings.\n{tail(child.log)}")
        self._say(f"{words or child.name} ({_how(child)}) It is started again.")
        return self._first_pause


def _how(child: Child) -> str:
    code = child.exit_code or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
