"""Waiting tasks are woken by key, and are unregistered afterwards."""

import asyncio

from runtime.testing import eventually
from runtime.waiters import Waiters


async def test_waking_a_key_wakes_exactly_its_waiters():
    waiters = Waiters[str]()
    with waiters.waiting("a") as first, waiters.waiting("a") as second, waiters.waiting("b") as other:
        waiters.wake("a")
        assert [await waiter.wait(0) for waiter in (first, second, other)] == [True, True, False]


async def test_waking_ends_a_wait_in_progress():
    waiters = Waiters[str]()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        with waiters.waiting("a") as waiter:
            wait = tasks.create_task(waiter.wait(1000))
            await asyncio.sleep(0)
            waiters.wake("a")
            assert await wait


async def test_a_woken_waiter_can_wait_again():
    waiters = Waiters[str]()
    with waiters.waiting("a") as waiter:
        waiters.wake("a")
        assert [await waiter.wait(0), await waiter.wait(0)] == [True, False]


async def test_a_wait_ends_after_its_timeout():
    with Waiters[str]().waiting("a") as waiter:
        assert not await waiter.wait(-1)
        assert not await waiter.wait(0.01)


async def test_a_key_without_waiters_is_removed():
    waiters = Waiters[str]()
    with waiters.waiting("a"):
        assert ("a" in waiters, len(waiters)) == (True, 1)
    waiters.wake("a")
    assert ("a" in waiters, len(waiters)) == (False, 0)


async def test_a_cancelled_wait_is_unregistered():
    waiters = Waiters[str]()

    async def wait() -> None:
        with waiters.waiting("a") as waiter:
            await waiter.wait(1000)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(wait())
        await eventually(lambda: "a" in waiters)
        task.cancel()
    assert not waiters
