"""Work that nobody waits for."""

import asyncio

from runtime.in_flight import InFlight, begun


async def test_work_has_begun_when_it_was_started() -> None:
    started = list[str]()

    async def work() -> None:
        started.append("work")

    task = begun(work())
    assert started == ["work"]
    await task


async def test_the_end_of_work_that_never_waits_is_reported() -> None:
    in_flight, ended = InFlight(), asyncio.Event()
    in_flight.start(asyncio.sleep(0), ended.set)
    await in_flight.finish(60)
    async with asyncio.timeout(60):
        await ended.wait()
