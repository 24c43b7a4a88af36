"""What prestarted agents are needed for, as the last new sessions show."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from uuid import UUID

from session.agent.options import AgentSpec

MAX_SESSIONS = 64
GREEDY_SECONDS = 10.0


@dataclass(frozen=True)
class _Session:
    owner: UUID | None
    profile: AgentSpec
    noted: float = field(default_factory=time.monotonic)


class Demand:
    """The last new sessions, the newest first, of at most the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._sessions = seconds, deque[_Session](maxlen=MAX_SESSIONS)

    def note(self, owner: UUID | None, profile: AgentSpec) -> None:
        """Note a new session of a user."""
        self._sessions.appendleft(_Session(owner, profile))

    def profiles(self, number: int) -> list[AgentSpec]:
        """Return the profiles of so many of the sessions, of all users in turn."""
        turns, numbered = Counter[UUID | None](), list[tuple[int, AgentSpec]]()
        for session in self._since(self._seconds):
            numbered.append((turns[session.owner], session.profile))
            turns[session.owner] += 1
        return [profile for _, profile in sorted(numbered, key=lambda each: each[0])[:number]]

    def is_greedy(self, owner: UUID | None, profile: AgentSpec | None, number: int) -> bool:
        """Return whether so many sessions of a user came in a row and quickly, and others need the profile, too."""
        newest = [session.owner for session in self._since(GREEDY_SECONDS)][:number]
        others = (each for each in self._since(self._seconds) if each.owner != owner)
        return newest == [owner] * number and any(each.profile == profile for each in others)

    def _since(self, seconds: float) -> list[_Session]:
        oldest = time.monotonic() - seconds
        return [session for session in self._sessions if session.noted > oldest]
