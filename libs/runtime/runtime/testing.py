"""Helpers for tests of asynchronous code, and of what is traced."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, overload

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from runtime import telemetry

_FIRST_PAUSE, _GROWTH, _MAX_PAUSE = 0.002, 1.4, 0.1
"""Seconds: what is true at once is noticed at once, and what takes long is not asked for too often."""


@overload
async def eventually[T](condition: Callable[[], Awaitable[T | None]], *, within: float = ...) -> T: ...
@overload
async def eventually[T](condition: Callable[[], T | None], *, within: float = ...) -> T: ...
async def eventually(condition: Callable[[], Any], *, within: float = 120.0) -> Any:
    """Call `condition`, a plain or an asynchronous function, until its result is true, and return that.

    The default only has to be shorter than the limit of a test (180 s): a passing test returns much sooner.

    Raises:
        TimeoutError: the result was not true within `within` seconds; the message has the last one.
    """
    value: object = None
    pause = _FIRST_PAUSE
    try:
        async with asyncio.timeout(within):
            while not (value := await _value(condition)):  # conditions have no event to wait for
                await asyncio.sleep(pause)
                pause = min(pause * _GROWTH, _MAX_PAUSE)
    except TimeoutError:
        raise TimeoutError(f"after {within:g} s the result is still {value!r}") from None
    return value


class Clock:
    """Replaces a clock of the system; only the test moves it."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now


async def skip_time(seconds: float) -> None:
    """Let the clock of the event loop of this test go forward, and call what is due by then."""
    loop = asyncio.get_running_loop()
    vars(loop)["time"] = partial(_later, loop.time, seconds)
    for _ in range(3):  # the timers become due in the first step, and what they wake runs in the next one
        await asyncio.sleep(0)


def _later(time: Callable[[], float], seconds: float) -> float:
    return time() + seconds


async def _value(condition: Callable[[], Any]) -> Any:
    value = condition()
    return await value if inspect.isawaitable(value) else value


@asynccontextmanager
async def background(*work: Coroutine[Any, Any, object]) -> AsyncGenerator[list[asyncio.Task[object]]]:
    """Run coroutines while the context is open, then cancel them. If one fails, the test fails."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(coroutine) for coroutine in work]
        try:
            yield running
        finally:
            for task in running:
                task.cancel()


@contextmanager
def recording(sampler: Sampler | None = None) -> Generator[InMemorySpanExporter]:
    """Record spans while the context is open, and yield where they are."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler, resource=Resource({}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.tracing.tracer = provider.get_tracer("tests")
    try:
        yield exporter
    finally:
        telemetry.tracing.tracer = None
