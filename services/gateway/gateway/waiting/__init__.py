"""Waiting over HTTP until something ends: a run, a job, or whatever else a request starts and then waits for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import repeat
from uuid import UUID

from contracts.messages import Event
from runtime import telemetry
from runtime.bus import Client
from runtime.bus.pubsub import subscribed
from runtime.waiters import Waiter, Waiters

from gateway.clients.rates.request_slots import release_slot
from gateway.problems import EdgeCode, Problem, WaitAbandoned

POLL_SECONDS = 5.0
"""Interval of reads where an event is expected to wake the wait: the event may be lost."""
FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.02, 1.0
"""Intervals where no event does: the first one, doubled each time up to the largest."""
CHECK_SECONDS = 1.0
"""Interval of the checks whether the client has disconnected, or the process shuts down."""

type Disconnected = Callable[[], Awaitable[bool]]


class Waits:
    """Bounds of the waits of all requests: a timeout, their clients, and the shutdown of this process."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._shutdown_at = float("inf")

    def shut_down(self, within: float) -> None:
        """Let the waits in progress end within some seconds. What they wait for continues."""
        self._shutdown_at = _now() + within

    @property
    def shutting_down(self) -> bool:
        """Whether waits have to end now because the process shuts down."""
        return _now() >= self._shutdown_at

    def timed_out(self, resource: str, path: str, **ids: str) -> Problem:
        """Return the problem of a request whose wait had to end; it says at which `path` the resource is found."""
        reason = "The wait for the answer timed out."
        code = EdgeCode.ANSWER_NOT_READY
        if self.shutting_down:
            code, reason = EdgeCode.UNAVAILABLE, "This server is shutting down."
        detail = f"{reason} The {resource} is still in progress; read it at {path}."
        problem = Problem(code, detail, headers={"Location": path}, already=True)
        problem.extra |= ids
        return problem

    async def until[T](
        self,
        ended: Callable[[T], bool],
        value: T,
        read: Callable[[T, bool], Awaitable[T]],
        disconnected: Disconnected,
        waiter: Waiter | None = None,
    ) -> T:
        """Return a value as soon as it has `ended`, or as it was read last when waiting has to end.

        `read` gets the value as it was before, and whether `waiter` was woken. Without a waiter the value is read at
        growing intervals.

        Raises:
            WaitAbandoned: the client is gone.
            Problem: whatever `disconnected` raises.
        """
        intervals, timeout_at = repeat(POLL_SECONDS) if waiter else _growing(), _now() + self.timeout
        waiter = waiter or Waiter()
        if not ended(value):
            release_slot()
        while not ended(value) and _now() < min(timeout_at, self._shutdown_at):
            woken = await self._pause(waiter, min(_now() + next(intervals), timeout_at), disconnected)
            with nullcontext() if woken else telemetry.untraced():  # or a long wait would fill its trace
                value = await read(value, woken)
        return value

    async def _pause(self, waiter: Waiter, until: float, disconnected: Disconnected) -> bool:
        while (left := min(until, self._shutdown_at) - _now()) > 0:
            if await waiter.wait(min(left, CHECK_SECONDS)):
                return True
            if await disconnected():
                raise WaitAbandoned
        return False


class EventWaiters(Waiters[UUID]):
    """Waiting requests of one kind, woken by events; `key` finds in an event's subject and body what it is about."""

    def __init__(self, client: Client, events: Sequence[type[Event]], key: Callable[[str, bytes], UUID]) -> None:
        super().__init__()
        self.client, self.key = client, key
        self.subjects = [f"{event.subject}.*.*" for event in events]

    async def listen(self) -> None:
        """Wake waiters when their events are published, until cancelled."""

        async def wake(subject: str, body: bytes) -> None:
            self.wake(self.key(subject, body))

        async with subscribed(self.client, self.subjects, wake):
            await asyncio.Event().wait()


def _growing() -> Iterator[float]:
    seconds = FIRST_POLL_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, MAX_POLL_SECONDS)


def _now() -> float:
    return asyncio.get_running_loop().time()
