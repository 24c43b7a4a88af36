"""The queue that shares slow work out fairly."""

import asyncio

import pytest
from identity.credentials import fair_queue
from identity.credentials.fair_queue import MAX_CONCURRENT, MAX_PER_KEY, FairQueue, Overloaded
from runtime.testing import background, eventually


class Work:
    """Requests that hold their slots until `finish` is set."""

    def __init__(self) -> None:
        self.queue, self.finish = FairQueue(), asyncio.Event()
        self.started: list[str] = []
        self.refused: list[str] = []

    async def request(self, key: str, *, known: bool = False) -> None:
        try:
            async with self.queue.slot(key, known=known):
                self.started.append(key)
                await self.finish.wait()
        except Overloaded:
            self.refused.append(key)


async def test_concurrent_work_is_limited() -> None:
    work = Work()
    async with background(*(work.request(f"key {n}") for n in range(MAX_CONCURRENT + 3))):
        await eventually(lambda: len(work.queue.waiting) == 3)
        assert len(work.started) == MAX_CONCURRENT
        work.finish.set()
        await eventually(lambda: len(work.started) == MAX_CONCURRENT + 3)


async def test_the_slots_of_one_key_are_limited() -> None:
    work = Work()
    async with background(*(work.request("attacked") for _ in range(50))):
        await eventually(lambda: len(work.refused) == 50 - MAX_PER_KEY)
        assert len(work.started) == MAX_PER_KEY


async def test_the_key_with_the_fewest_requests_is_served_first() -> None:
    work = Work()
    for _ in range(3):
        work.queue.count("often")
    others = (work.request(f"key {n}") for n in range(MAX_CONCURRENT))
    async with background(*others, work.request("often"), work.request("once")):
        await eventually(lambda: len(work.queue.waiting) == 2)
        work.finish.set()
        await eventually(lambda: len(work.started) == MAX_CONCURRENT + 2)
    assert work.started[MAX_CONCURRENT:] == ["once", "often"]


async def test_a_known_client_is_served_before_strangers_though_it_came_often() -> None:
    work = Work()
    for _ in range(3):
        work.queue.count("known")
    others = (work.request(f"key {n}") for n in range(MAX_CONCURRENT))
    async with background(*others, work.request("stranger"), work.request("known", known=True)):
        await eventually(lambda: len(work.queue.waiting) == 2)
        work.finish.set()
        await eventually(lambda: len(work.started) == MAX_CONCURRENT + 2)
    assert work.started[MAX_CONCURRENT:] == ["known", "stranger"]


async def test_a_flood_of_strangers_does_not_push_out_a_known_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FairQueue, "max_waiting", 2)
    work = Work()
    others = (work.request(f"stranger {n}") for n in range(MAX_CONCURRENT + 2))
    flood = (work.request(f"new {n}") for n in range(50))
    async with background(*others, work.request("known", known=True), *flood):
        await eventually(lambda: len(work.refused) == 51)
        work.finish.set()
        await eventually(lambda: "known" in work.started)
    assert "known" not in work.refused


async def test_a_full_queue_refuses_the_key_with_the_most_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FairQueue, "max_waiting", 2)
    work = Work()
    for n in range(2):
        work.queue.count(f"often {n}")
    keys = [*(f"key {n}" for n in range(MAX_CONCURRENT)), "often 0", "often 1", "once", "again"]
    async with background(*map(work.request, keys)):
        await eventually(lambda: len(work.refused) == 2)
        assert sorted(work.refused) == ["often 0", "often 1"]
        work.finish.set()
        await eventually(lambda: len(work.started) == MAX_CONCURRENT + 2)


def test_the_slower_the_work_the_shorter_the_queue() -> None:
    queue = FairQueue()
    queue.average_seconds = 2.0
    assert queue.max_waiting == 2
    queue.average_seconds = 0.05
    assert queue.max_waiting == 80


async def test_a_cancelled_request_releases_all_it_held() -> None:
    work = Work()
    async with background(*(work.request(f"key {n}") for n in range(MAX_CONCURRENT))):
        await eventually(lambda: len(work.started) == MAX_CONCURRENT)
        async with background(work.request("impatient")) as [task]:
            await eventually(lambda: work.queue.waiting)
            task.cancel()
        work.finish.set()
        await eventually(lambda: not work.queue.running)
    assert not work.queue.held_by_key
    await work.request("next")
    assert work.started[-1] == "next"


async def test_the_number_of_counted_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "MAX_KEYS", 10)
    queue = FairQueue()
    for n in range(100):
        queue.count(f"key {n}")
    assert len(queue.current) + len(queue.previous) <= 20
