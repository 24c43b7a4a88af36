import asyncio
from collections.abc import Awaitable, Callable

import pytest
from runtime import forever as module
from runtime.forever import NotYet, forever
from runtime.testing import background, eventually
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_PAUSE", 0.0)
    monkeypatch.setattr(module, "MAX_PAUSE", 0.0)


class Work:
    """Runs the next of its `steps` each time, and then blocks."""

    def __init__(self, *steps: Callable[[], Awaitable[None]]) -> None:
        self.steps, self.calls = list(steps), 0

    async def __call__(self) -> None:
        self.calls += 1
        if self.steps:
            await self.steps.pop(0)()
        else:
            await asyncio.Event().wait()


async def fail() -> None:
    raise OSError("connection lost")


async def wait_for_another() -> None:
    raise NotYet


async def end_as_cancelled() -> None:
    raise asyncio.CancelledError  # as a library does if its own task was cancelled


async def fail_to_clean_up() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise OSError("clean-up failed")


async def test_failed_work_is_repeated() -> None:
    work = Work(fail, fail)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(forever("work", work))
        await eventually(lambda: work.calls == 3)
        running.cancel()


async def test_failures_are_logged_except_what_was_logged_before() -> None:
    work = Work(wait_for_another, fail, wait_for_another)
    with capture_logs() as logs:
        async with background(forever("work", work)):
            await eventually(lambda: work.calls == 4)
    assert [entry["error"] for entry in logs] == ["OSError('connection lost')"]


async def test_work_that_raises_cancelled_error_is_repeated() -> None:
    work = Work(end_as_cancelled)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(forever("work", work))
        await eventually(lambda: work.calls == 2)
        running.cancel()


@pytest.mark.parametrize("step", [asyncio.Event().wait, fail_to_clean_up])
async def test_cancelling_stops_it_whatever_the_work_raises(step: Callable[[], Awaitable[None]]) -> None:
    work = Work(step)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(forever("work", work))
        await eventually(lambda: work.calls)
        running.cancel()
    assert running.cancelled()
    assert work.calls == 1


async def test_it_ends_when_the_event_is_set() -> None:
    until = asyncio.Event()

    async def set_event() -> None:
        until.set()

    work = Work(fail, set_event)
    await forever("work", work, until=until)
    assert work.calls == 2


async def test_pauses_grow_and_are_reset_by_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(pause: float) -> None:
        pauses.append(pause)

    async def succeed() -> None:
        pass

    until = asyncio.Event()
    monkeypatch.setattr(module, "MIN_PAUSE", 0.1)
    monkeypatch.setattr(module, "MAX_PAUSE", 0.3)
    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def end() -> None:
        until.set()

    await forever("work", Work(fail, fail, fail, succeed, fail, end), until=until)
    assert pauses == [0.1, 0.2, 0.3, 0.1]
