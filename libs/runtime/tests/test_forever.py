import asyncio
from collections.abc import Awaitable, Callable

import pytest
from runtime import forever as module
from runtime.forever import forever
from runtime.testing import eventually


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_PAUSE", 0.0)
    monkeypatch.setattr(module, "MAX_PAUSE", 0.0)


class Work:
    """Does its `steps`, one each time, and then rests."""

    def __init__(self, *steps: Callable[[], Awaitable[None]]) -> None:
        self.steps, self.times = list(steps), 0

    async def __call__(self) -> None:
        self.times += 1
        if self.steps:
            await self.steps.pop(0)()
        else:
            await asyncio.Event().wait()


async def fail() -> None:
    raise OSError("the cable is out")


async def end_as_cancelled() -> None:
    raise asyncio.CancelledError  # as a library does whose own task was cancelled


async def cover_up() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise OSError("could not say goodbye")


async def test_work_that_fails_is_done_again() -> None:
    work = Work(fail, fail)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(forever("work", work))
        await eventually(lambda: work.times == 3)
        running.cancel()


async def test_work_that_ends_as_if_cancelled_is_done_again() -> None:
    work = Work(end_as_cancelled)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(forever("work", work))
        await eventually(lambda: work.times == 2)
        running.cancel()


@pytest.mark.parametrize("step", [asyncio.Event().wait, cover_up])
async def test_being_cancelled_ends_it_whatever_the_work_raises(step: Callable[[], Awaitable[None]]) -> None:
    work = Work(step)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(forever("work", work))
        await eventually(lambda: work.times)
        running.cancel()
    assert running.cancelled()
    assert work.times == 1


async def test_it_ends_when_the_event_is_set() -> None:
    until = asyncio.Event()

    async def set_it() -> None:
        until.set()

    work = Work(fail, set_it)
    await forever("work", work, until=until)
    assert work.times == 2


async def test_pauses_grow_and_start_small_after_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
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
