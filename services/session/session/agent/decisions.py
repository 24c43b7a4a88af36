"""Who in this replica waits for which approval to be decided."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from uuid import UUID


class Waiting:
    """Waits to be told."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def within(self, seconds: float) -> None:
        """Wait until told, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.told.wait(), max(0.0, seconds))
        self.told.clear()


class Decisions:
    """Wakes whoever waits; the decision itself is read where it is stored."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, list[Waiting]] = {}

    def tell(self, approval_id: UUID) -> None:
        """Wake those who wait for this approval."""
        for waiting in self._waiting.get(approval_id, []):
            waiting.told.set()

    @contextmanager
    def awaited(self, approval_id: UUID) -> Generator[Waiting]:
        """Wait for an approval as long as the context is open."""
        waiting = Waiting()
        self._waiting.setdefault(approval_id, []).append(waiting)
        try:
            yield waiting
        finally:
            self._waiting[approval_id].remove(waiting)
            if not self._waiting[approval_id]:
                del self._waiting[approval_id]
