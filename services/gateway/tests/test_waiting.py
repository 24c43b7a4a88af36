"""Waiting until something ends: what ends a wait, and when the value is read."""

import asyncio

import pytest
from gateway import waiting
from gateway.waiting import Waits
from runtime.waiters import Waiter
from starlette.requests import ClientDisconnect

NEVER = 3600.0


class Work:
    """Something that ends with the read of a number, for a client that may disconnect."""

    def __init__(self, ends_with: float = float("inf")) -> None:
        self.ends_with, self.reads, self.woken = ends_with, 0, list[bool]()
        self.connected, self.was_read = True, asyncio.Event()

    async def read(self, value: int, woken: bool) -> int:
        self.reads = value + 1
        self.woken.append(woken)
        self.was_read.set()
        return self.reads

    def ended(self, value: int) -> bool:
        return value >= self.ends_with

    async def disconnected(self) -> bool:
        return not self.connected

    async def wait(self, waits: Waits, waiter: Waiter | None = None) -> int:
        async with asyncio.timeout(60):
            return await waits.until(self.ended, 0, self.read, self.disconnected, waiter)


async def test_what_has_ended_is_returned_without_a_read():
    work = Work(ends_with=0)
    assert (await work.wait(Waits(NEVER)), work.reads) == (0, 0)


async def test_without_an_event_the_value_is_read_until_it_has_ended():
    assert await Work(ends_with=4).wait(Waits(NEVER)) == 4


def test_intervals_grow_to_the_largest():
    intervals = waiting._growing()  # pyright: ignore[reportPrivateUsage]
    first = [next(intervals) for _ in range(8)]
    assert (first[:3], first[-1]) == ([0.02, 0.04, 0.08], 1.0)


async def test_an_event_wakes_the_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", NEVER)
    work, waiter = Work(ends_with=1), Waiter()
    waiter.wake()
    assert (await work.wait(Waits(NEVER), waiter), work.woken) == (1, [True])


async def test_if_an_event_is_lost_the_value_is_read_at_an_interval(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    work = Work(ends_with=1)
    assert (await work.wait(Waits(NEVER), Waiter()), work.woken) == (1, [False])


async def test_at_the_timeout_the_value_is_read_again():
    work = Work()
    assert await work.wait(Waits(0.05)) == work.reads > 0


async def test_a_shutdown_ends_the_waits_in_progress():
    work, waits = Work(), Waits(NEVER)
    async with asyncio.TaskGroup() as tasks:
        wait = tasks.create_task(work.wait(waits))
        await work.was_read.wait()
        waits.shut_down(0)
    assert (wait.result(), waits.shutting_down) == (work.reads, True)


@pytest.mark.parametrize("waiter", [None, Waiter()])
async def test_a_client_that_disconnects_ends_its_wait(monkeypatch: pytest.MonkeyPatch, waiter: Waiter | None):
    monkeypatch.setattr(waiting, "CHECK_SECONDS", 0.01)
    work = Work()
    work.connected = False
    with pytest.raises(ClientDisconnect):
        await work.wait(Waits(NEVER), waiter)
