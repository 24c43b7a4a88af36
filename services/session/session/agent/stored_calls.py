"""The tool calls of a turn that the transcript has, and those of them that have no result there."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from runtime.waiters import Waiters


class StoredCalls:
    """The tool calls of the present turn that are stored, subagents included; `open` are those without a result."""

    def __init__(self) -> None:
        self.open = set[str]()
        self._stored, self._waiters, self._settled = set[str](), Waiters[str](), asyncio.Event()
        self._settled.set()

    def clear(self) -> None:
        """Forget the calls of the turn before."""
        self.open.clear()
        self._stored.clear()
        self._settled.set()

    def note(self, entries: list[Any]) -> None:
        """Note the calls and results in entries that were stored."""
        for call, has_ended in (block for entry in entries for block in _blocks(entry)):
            if has_ended:
                self.open.discard(call)
                continue
            self.open.add(call)
            self._stored.add(call)
            self._waiters.wake(call)
        (self._settled.clear if self.open else self._settled.set)()

    async def wait_stored(self, tool_use_id: str, seconds: float) -> bool:
        """Wait until a call is stored, at most `seconds`; return whether it is."""
        with self._waiters.waiting(tool_use_id) as waiter:
            if tool_use_id not in self._stored:
                await waiter.wait(seconds)
        return tool_use_id in self._stored

    async def wait_settled(self, seconds: float) -> None:
        """Wait until each stored call has a result, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._settled.wait()


def _blocks(entry: Any) -> Iterator[tuple[str, bool]]:
    """Yield the ids of the calls in an entry, and whether it has their results."""
    match entry:
        case {"message": {"content": [*blocks]}}:
            for block in blocks:
                match block:
                    case {"type": "tool_use", "id": str(id)}:
                        yield id, False
                    case {"type": "tool_result", "tool_use_id": str(id)}:
                        yield id, True
                    case _:
                        pass
        case _:
            pass
