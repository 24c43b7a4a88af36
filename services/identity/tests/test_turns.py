"""Turns at slow work."""

import asyncio

import pytest
from identity import turns
from identity.turns import AT_ONCE, PER_KEY, NoTurn, Turns
from runtime.testing import background, eventually


class Work:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.turns, self.go = Turns(), asyncio.Event()
        self.begun: list[str] = []
        self.turned_away: list[str] = []

    async def ask(self, key: str) -> None:
        try:
            async with self.turns.turn(key):
                self.begun.append(key)
                await self.go.wait()
        except NoTurn:
            self.turned_away.append(key)


async def test_only_a_few_work_at_once() -> None:
    work = Work()
    async with background(*(work.ask(f"key {n}") for n in range(AT_ONCE + 3))):
        await eventually(lambda: len(work.turns.waiting) == 3)
        assert len(work.begun) == AT_ONCE
        work.go.set()
        await eventually(lambda: len(work.begun) == AT_ONCE + 3)


async def test_one_key_holds_few_turns() -> None:
    work = Work()
    async with background(*(work.ask("attacked") for _ in range(50))):
        await eventually(lambda: len(work.turned_away) == 50 - PER_KEY)
        assert len(work.begun) == PER_KEY


async def test_who_asked_least_goes_first() -> None:
    work = Work()
    for _ in range(3):
        work.turns.count("often")
    async with background(*(work.ask(f"key {n}") for n in range(AT_ONCE)), work.ask("often"), work.ask("once")):
        await eventually(lambda: len(work.turns.waiting) == 2)
        work.go.set()
        await eventually(lambda: len(work.begun) == AT_ONCE + 2)
    assert work.begun[AT_ONCE:] == ["once", "often"]


async def test_no_more_wait_than_are_done_soon_and_who_asked_most_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Turns, "most", 2)
    work = Work()
    for n in range(2):
        work.turns.count(f"often {n}")
    keys = [*(f"key {n}" for n in range(AT_ONCE)), "often 0", "often 1", "once", "again"]
    async with background(*map(work.ask, keys)):
        await eventually(lambda: len(work.turned_away) == 2)
        assert sorted(work.turned_away) == ["often 0", "often 1"]
        work.go.set()
        await eventually(lambda: len(work.begun) == AT_ONCE + 2)


def test_slow_work_lets_fewer_wait() -> None:
    some = Turns()
    some.took = 2.0
    assert some.most == 2
    some.took = 0.05
    assert some.most == 80


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    work = Work()
    async with background(*(work.ask(f"key {n}") for n in range(AT_ONCE))):
        await eventually(lambda: len(work.begun) == AT_ONCE)
        async with background(work.ask("impatient")) as [task]:
            await eventually(lambda: work.turns.waiting)
            task.cancel()
        work.go.set()
        await eventually(lambda: not work.turns.working)
    assert not work.turns.held
    await work.ask("next")
    assert work.begun[-1] == "next"


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_KEYS", 10)
    some = Turns()
    for n in range(100):
        some.count(f"key {n}")
    assert len(some.recent) + len(some.before) <= 20
