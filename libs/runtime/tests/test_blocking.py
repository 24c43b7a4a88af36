"""Long blocking work runs in a pool of its own."""

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
def release() -> Generator[threading.Event]:
    """Yield an event that blocking work waits for; it is set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


async def test_the_pool_returns_the_result_of_the_work(pool: BlockingPool) -> None:
    assert await pool.run(divmod, 7, 2) == (3, 1)


async def test_the_pool_raises_the_error_of_the_work(pool: BlockingPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 7, 0)


async def test_a_full_pool_does_not_delay_short_blocking_work(pool: BlockingPool, release: threading.Event) -> None:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        blocking = [tasks.create_task(pool.run(release.wait)) for _ in range(100)]
        await asyncio.sleep(0)  # all of them run, or wait for a thread
        assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
        assert not any(task.done() for task in blocking)
        release.set()


async def test_closing_the_pool_cancels_queued_work(release: threading.Event) -> None:
    started = threading.Semaphore(0)

    def block() -> None:
        started.release()
        release.wait()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        async with BlockingPool.open() as pool:
            for _ in range(THREADS):
                tasks.create_task(pool.run(block))
                await asyncio.to_thread(started.acquire)
            waiting = tasks.create_task(pool.run(block))
            await asyncio.sleep(0)
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        release.set()
