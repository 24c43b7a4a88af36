"""Work that blocks for long has threads of its own."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio
from runtime.blocking import THREADS, BlockingPool


@pytest_asyncio.fixture
async def pool() -> AsyncGenerator[BlockingPool]:
    async with BlockingPool.open() as pool:
        yield pool


@pytest.fixture
def over() -> Generator[threading.Event]:
    """Until this is set, blocking work goes on; at the latest when the test is over."""
    event = threading.Event()
    yield event
    event.set()


async def test_blocking_work_returns_its_result(pool: BlockingPool) -> None:
    assert await pool.run(divmod, 7, 2) == (3, 1)


async def test_blocking_work_raises_its_error(pool: BlockingPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 7, 0)


async def test_blocking_work_keeps_short_work_from_no_thread(pool: BlockingPool, over: threading.Event) -> None:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        blocking = [tasks.create_task(pool.run(over.wait)) for _ in range(100)]
        await asyncio.sleep(0)  # all of them are running, or wait for a thread
        assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
        assert not any(task.done() for task in blocking)
        over.set()


async def test_closing_cancels_what_waits_for_a_thread(over: threading.Event) -> None:
    started = threading.Semaphore(0)

    def block() -> None:
        started.release()
        over.wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        async with BlockingPool.open() as pool:
            for _ in range(THREADS):
                tasks.create_task(pool.run(block))
                await asyncio.to_thread(started.acquire)
            waiting = tasks.create_task(pool.run(block))
            await asyncio.sleep(0)
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        over.set()
