"""Slots for starts of agents, fair to users."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID


@dataclass(eq=False)
class _Waiting:
    owner: UUID | None
    spare: bool
    admitted: asyncio.Future[None]


class StartSlots:
    """Bounds how many agents start at the same time: a start takes CPU time, and many would all be late.

    The user of whom the fewest are starting is next, and the first start of a user need not wait for those of others,
    up to twice the number. So one with many sessions does not delay the others. Starts in advance of any session wait
    for all others, and leave a slot free.
    """

    def __init__(self, number: int) -> None:
        self._number, self._waiting = number, list[_Waiting]()
        self._starting = Counter[UUID | None]()

    @asynccontextmanager
    async def take(self, owner: UUID | None, *, spare: bool = False) -> AsyncGenerator[None]:
        """Hold a slot for the start of an agent of a user, or for one of no user yet."""
        waiting = _Waiting(owner, spare, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._admit()
        try:
            await waiting.admitted
            yield
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self._starting -= Counter([owner])  # which also forgets a user without starts
                self._admit()

    def _admit(self) -> None:
        while self._waiting:
            chosen = min(self._waiting, key=lambda each: (each.spare, self._starting[each.owner]))
            if self._starting.total() >= self._limit(chosen):
                return
            self._waiting.remove(chosen)
            self._starting[chosen.owner] += 1
            if not chosen.admitted.done():
                chosen.admitted.set_result(None)

    def _limit(self, waiting: _Waiting) -> int:
        if waiting.spare:  # one is left for a session that may come
            return max(1, self._number - 1)
        return self._number if self._starting[waiting.owner] else 2 * self._number
