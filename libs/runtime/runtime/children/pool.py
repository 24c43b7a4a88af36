"""A pool of child processes, for work that is not trusted with time, memory, files or secrets."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.children.process import (
    NOTHING,
    ChildKilled,
    ChildNotStarted,
    ChildProcess,
    ChildUnavailable,
    LimitExceeded,
)
from runtime.children.program import Limits
from runtime.forever import forever
from runtime.logging import get_logger

__all__ = ["ChildNotStarted", "ChildPool", "ChildUnavailable", "LimitExceeded", "Limits"]

log = get_logger()

MAX_FAILED_STARTS = 5
"""After as many failures in a row, requests fail instead of waiting for a child."""


@dataclass(eq=False)
class _Request:
    line: bytes
    reply: asyncio.Future[Any]
    key: Hashable
    attempts: int = 0

    def fail(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


class _FairQueue(asyncio.Queue[_Request]):
    """Waiting requests. Their keys take turns, so a key with many of them delays another one by one request only."""

    def _init(self, maxsize: int) -> None:
        self._queue = dict[Hashable, deque[_Request]]()

    def _put(self, item: _Request) -> None:
        self._queue.setdefault(item.key, deque()).append(item)

    def _get(self) -> _Request:
        key = next(iter(self._queue))
        waiting = self._queue.pop(key)
        request = waiting.popleft()
        if waiting:
            self._queue[key] = waiting  # at the end, after those of the other keys
        return request


class ChildPool:
    """Child processes that answer requests, each one at a time. Requests and replies are JSON values, never code.

    A child that exceeds a limit or is killed is replaced immediately.
    """

    def __init__(self, wall_seconds: float, max_requests: int, max_attempts: int) -> None:
        self._wall_seconds, self._max_requests, self._max_attempts = wall_seconds, max_requests, max_attempts
        self._queue: _FairQueue = _FairQueue()
        self._unanswered: set[_Request] = set()
        self._wanted = asyncio.Event()
        """Set when the children have to run."""
        self._starting = asyncio.Lock()
        self._ready, self._failed_starts = 0, 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        program: Path,
        limits: Limits,
        *,
        children: int = 2,
        max_requests: int = 100,
        on_demand: bool = False,
        environment: Mapping[str, str] = NOTHING,
    ) -> "AsyncGenerator[ChildPool]":
        """Start the children, and keep them running. On exit they are killed, and unanswered requests fail.

        If this process is killed, a child that is idle reads the end of its input and exits; one that works does so
        when it has answered, or used its CPU time.

        Args:
            program: a Python file that calls `runtime.children.program.serve`.
            limits: what each request may use.
            children: how many processes.
            max_requests: how many requests may be unanswered.
            on_demand: start the children with the first request.
            environment: variables for the children, in addition to the few that all have.
        """
        pool = cls(limits.wall_seconds, max_requests, max_attempts=children + 1)  # all may be killed at the same time
        if not on_demand:
            pool._wanted.set()
        loop = asyncio.get_running_loop()
        # Not in a TaskGroup, which would wrap an exception from inside the context in an ExceptionGroup.
        tasks = [
            loop.create_task(forever("child process", lambda: pool._use_child(program, limits, environment)))
            for _ in range(children)
        ]
        try:
            yield pool
        finally:
            for task in tasks:
                task.cancel()
            for request in pool._unanswered:
                request.fail(ChildUnavailable("The pool of child processes was closed."))
            await asyncio.wait(tasks)

    async def run(self, request: Any, *, key: Hashable = None) -> Any:
        """Return a child's reply to a JSON value.

        `key` says whose request it is: the keys take turns, and each has at most half of the unanswered requests.

        Raises:
            ChildUnavailable: too many requests are unanswered, no child replied in time, it was killed repeatedly, or
                none can be started (`ChildNotStarted`).
            LimitExceeded: it used too much CPU time or memory, its reply is too large, or it crashed the child.
        """
        of_key = sum(other.key == key for other in self._unanswered) if key is not None else 0
        if len(self._unanswered) >= self._max_requests or of_key >= self._max_requests / 2:
            raise ChildUnavailable("Too many requests are waiting for a child process.")
        reply = asyncio.get_running_loop().create_future()
        waiting = _Request(json.dumps(request).encode() + b"\n", reply, key)
        self._unanswered.add(waiting)
        self._queue.put_nowait(waiting)
        self._wanted.set()
        try:
            async with asyncio.timeout(self._wall_seconds):
                return await waiting.reply
        except TimeoutError:
            raise ChildUnavailable(f"No child process replied within {self._wall_seconds:g} s.") from None
        finally:
            self._unanswered.discard(waiting)

    async def _use_child(self, program: Path, limits: Limits, environment: Mapping[str, str]) -> None:
        """Start a child, and have it answer requests until it ends or fails."""
        await self._wanted.wait()
        async with self._started(ChildProcess.start(program, limits, environment)) as child:
            ended = asyncio.get_running_loop().create_task(child.wait())
            try:
                while (request := await self._next_request(ended)) and await self._answer(request, child):
                    pass
            finally:
                ended.cancel()

    @asynccontextmanager
    async def _started(self, starting: AbstractAsyncContextManager[ChildProcess]) -> AsyncGenerator[ChildProcess]:
        """Start a child when no other one is starting: together they would only slow each other down."""
        async with AsyncExitStack() as stack:
            async with self._starting:
                try:
                    child = await stack.enter_async_context(starting)
                except Exception as error:
                    self._start_failed(error)
                    raise
            self._ready, self._failed_starts = self._ready + 1, 0
            try:
                yield child
            finally:
                self._ready -= 1

    def _start_failed(self, error: Exception) -> None:
        """Let requests fail, rather than wait in vain, if no child runs and starts have failed repeatedly."""
        self._failed_starts += 1
        if self._failed_starts < MAX_FAILED_STARTS or self._ready:
            return
        log.error("child processes cannot be started", error=repr(error), failed_requests=len(self._unanswered))
        for request in self._unanswered:
            request.fail(ChildNotStarted("No child process can be started."))

    async def _next_request(self, ended: asyncio.Task[int]) -> _Request | None:
        """Return the next request that somebody still waits for, or None if the child ends while it is idle."""
        while not ended.done():
            getting = asyncio.get_running_loop().create_task(self._queue.get())
            try:
                await asyncio.wait({getting, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                getting.cancel()  # without effect if it is done
            if getting.done() and not getting.result().reply.done():
                return getting.result()
        return None

    async def _answer(self, request: _Request, child: ChildProcess) -> bool:
        """Answer a request, and return whether the child can answer another one."""
        try:
            reply = await child.ask(request.line)
        except ChildKilled as error:
            request.attempts += 1
            if request.attempts >= self._max_attempts:
                request.fail(error)
            else:
                self._queue.put_nowait(request)
        except (ChildUnavailable, LimitExceeded) as error:
            request.fail(error)
        else:
            if not request.reply.done():
                request.reply.set_result(reply)
            return True
        return False
