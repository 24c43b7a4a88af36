"""What the transcript has of a turn: its prompt, messages, tool calls, and which calls have no result there."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from runtime.clock import new_id
from runtime.waiters import Waiters

MAX_OPEN = 400
"""The number of calls of a turn that may be open at the same time: an agent makes far fewer, a forger may not."""
MAX_STORED = 20_000
"""The number of stored messages and calls of a turn that are known: more than a run may have (`run_records`)."""


class StoredCalls:
    """Messages and calls of the present turn that are stored, subagents included.

    `open` are calls that have begun, or are stored, and have no result. `has_prompt` says whether the prompt of the
    turn is stored. Once it is `closed`, no call begins any more.
    """

    def __init__(self) -> None:
        self.open, self.closed, self.has_prompt, self._prompt = set[str](), False, False, ""
        self._stored, self._waiters, self._settled = set[str](), Waiters[str](), asyncio.Event()
        self._settled.set()

    def clear(self) -> None:
        """Forget the calls of the turn before."""
        self.closed, self.has_prompt, self._prompt = False, False, ""
        self.open.clear()
        self._stored.clear()
        self._settled.set()

    def expect(self, message_id: UUID | None) -> UUID:
        """Expect a prompt with this id, or with a new one; return the id."""
        prompt = message_id or new_id()
        self._prompt = str(prompt)
        return prompt

    def begin(self, call: str) -> bool:
        """Note that a call is about to begin; return whether it may."""
        may_begin = not self.closed and len(self.open) < MAX_OPEN
        if may_begin:
            self.open.add(call)
            self._settled.clear()
        return may_begin

    def note(self, entries: list[Any]) -> None:
        """Note the prompt, the calls and the results in entries that were stored."""
        self.has_prompt = self.has_prompt or any(_is_message(entry, self._prompt) for entry in entries)
        for message in (entry["uuid"] for entry in entries if _is_answer(entry)):
            self._note_stored(message)
        for call, has_ended in (block for entry in entries for block in _blocks(entry)):
            if has_ended:
                self.open.discard(call)
                continue
            if len(self.open) < MAX_STORED:
                self.open.add(call)
            self._note_stored(call)
        (self._settled.clear if self.open else self._settled.set)()

    def _note_stored(self, id: str) -> None:
        if len(self._stored) < MAX_STORED:
            self._stored.add(id)
        self._waiters.wake(id)

    async def wait_stored(self, id: str, seconds: float) -> bool:
        """Wait until a call, or the entry of a message, is stored, at most `seconds`; return whether it is."""
        with self._waiters.waiting(id) as waiter:
            if id not in self._stored:
                await waiter.wait(seconds)
        return id in self._stored

    async def wait_settled(self, seconds: float) -> None:
        """Wait until each stored call has a result, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._settled.wait()


def ended_calls(entries: list[Any]) -> list[str]:
    """Return the ids of the calls whose results are in entries."""
    return [call for entry in entries for call, has_ended in _blocks(entry) if has_ended]


def _is_message(entry: Any, id: str) -> bool:
    match entry:
        case {"type": "user", "uuid": str(uuid)}:
            return uuid == id
        case _:
            return False


def _is_answer(entry: Any) -> bool:
    match entry:
        case {"type": "assistant", "uuid": str()}:
            return True
        case _:
            return False


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
