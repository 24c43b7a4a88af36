"""What prestarted agents are needed for, as the last new sessions show."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from session.agent.claiming import Profile

MAX_SESSIONS = 64
GREEDY_SECONDS = 10.0
REPLACE_SECONDS = 2.0
"""About how long it takes until another agent is there in place of a claimed one."""
FADING = 0.9
"""What a session counts compared with the next one of the same user."""


@dataclass(frozen=True)
class _Session:
    id: UUID
    owner: UUID | None
    profile: Profile
    noted: float


@dataclass
class _Agent:
    """An agent that there might have been: the share of sessions that needed it, the newest first if they are equal."""

    profile: Profile
    newest: int
    share: float = 0.0
    free_at: float = 0.0


class Demand:
    """The last new sessions, the newest first, of at most the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._sessions = seconds, deque[_Session](maxlen=MAX_SESSIONS)

    def note(self, session_id: UUID, owner: UUID | None, profile: Profile) -> None:
        """Note a new session of a user, once: it may be noted when it is created, and when it is used."""
        if all(session.id != session_id for session in self._sessions):
            self._sessions.appendleft(_Session(session_id, owner, profile, time.monotonic()))

    def profiles(self, number: int) -> list[Profile]:
        """Return the profiles of so many agents, which the largest share of the sessions could have claimed.

        All users count alike, however many sessions they have. A second agent of a profile is needed by sessions that
        came before the first one was replaced, and so on. As long as agents are left, any session needs one.
        """
        kinds = defaultdict[Profile, list[_Agent]](list)
        for position, (session, share) in enumerate(reversed([*self._shares()])):
            kind = kinds[session.profile]
            kind.append(_Agent(session.profile, position))
            for agent in kind:
                agent.share, agent.newest = agent.share + share, position
                if agent.free_at <= session.noted:
                    agent.free_at = session.noted + REPLACE_SECONDS
                    break
        agents = [agent for kind in kinds.values() for agent in kind]
        agents.sort(key=lambda agent: (round(agent.share, 6), agent.newest), reverse=True)
        return [agent.profile for agent in agents[:number]]

    def _shares(self) -> Iterator[tuple[_Session, float]]:
        """Yield the sessions with the share that each has of those of its user, the newest first."""
        sessions, before = self._since(self._seconds), Counter[UUID | None]()
        total = Counter(session.owner for session in sessions)
        for session in sessions:
            whole = (1 - FADING ** total[session.owner]) / (1 - FADING)
            yield session, FADING ** before[session.owner] / whole
            before[session.owner] += 1

    def is_greedy(self, owner: UUID | None, profile: Profile | None, number: int) -> bool:
        """Return whether so many sessions of a user came in a row and quickly, and others need the profile, too."""
        newest = [session.owner for session in self._since(GREEDY_SECONDS)][:number]
        others = (each for each in self._since(self._seconds) if each.owner != owner)
        return newest == [owner] * number and any(each.profile == profile for each in others)

    def _since(self, seconds: float) -> list[_Session]:
        oldest = time.monotonic() - seconds
        return [session for session in self._sessions if session.noted > oldest]
