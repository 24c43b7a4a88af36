"""Work of a user begins in the order of its arrival, and beside other users one piece after the other."""

import asyncio
from dataclasses import replace

import pytest
from runtime import activity, turns
from runtime.activity import Activity
from runtime.testing import Clock, background, eventually
from runtime.turns import Pace, Turn, Turns

ADA, BOB = "Ada", "Bob"
ACTIVE_SECONDS, IN_TURN_SECONDS = 5.0, 60.0
PACE = Pace(limit=3, turn_seconds=60.0, in_turn_seconds=IN_TURN_SECONDS)
"""A machine may be busy."""


class Work:
    """Pieces of work that remain in progress until the test releases their turns, in the order of their beginnings."""

    def __init__(self, pace: Pace = PACE) -> None:
        self.activity = Activity[str](ACTIVE_SECONDS)
        self.turns = Turns(pace, self.activity)
        self.begun: list[str] = []
        self.held: list[Turn] = []

    async def do(self, name: str, user: str = ADA) -> None:
        """Begin a piece of work as soon as it may."""
        self.held.append(self.turns.begin(user) or await self.turns.wait(user))
        self.begun.append(name)

    async def settle(self) -> None:
        """Let all begin that may."""
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (activity, turns):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


async def test_work_begins_in_the_order_of_its_arrival() -> None:
    work = Work()
    async with background(*(work.do(f"{n}") for n in range(6))):
        await work.settle()
        assert work.begun == ["0", "1", "2"]
        assert (work.turns.running(ADA), work.turns.waiting(ADA)) == (3, 3)
        for turn in (work.held[1], work.held[0]):
            turn.release()
        await work.settle()
        assert work.begun == ["0", "1", "2", "3", "4"]


async def test_nobody_waits_for_the_work_of_another_user() -> None:
    work = Work()
    async with background(*(work.do(f"{n}") for n in range(50)), work.do("of Bob", BOB)):
        await work.settle()
        assert work.begun == ["0", "1", "2", "of Bob"]


async def test_beside_others_the_work_of_a_user_begins_one_after_the_other() -> None:
    work = Work()
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(5)), work.do("of Bob", BOB)):
        await work.settle()
        assert work.begun == ["0", "of Bob"]
        work.held[0].release()
        await work.settle()
        assert work.begun == ["0", "of Bob", "1"]


async def test_beside_others_work_that_takes_long_lets_the_next_begin() -> None:
    work = Work(Pace(turn_seconds=0.0))
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(5))):
        await eventually(lambda: work.begun == ["0", "1", "2", "3", "4"])


@pytest.mark.parametrize("rest", [0.0, 20.0])
async def test_the_work_of_a_user_who_is_alone_again_begins_together(rest: float, clock: Clock) -> None:
    work = Work(replace(PACE, rest=rest))
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(5))):
        await work.settle()
        clock.now += ACTIVE_SECONDS
        work.held[0].release()
        await work.settle()
        assert work.begun == ["0", "1", "2", "3"]


async def test_work_that_has_waited_long_begins_as_without_others(clock: Clock) -> None:
    work = Work()
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(5))):
        await work.settle()
        clock.now += IN_TURN_SECONDS
        work.activity.note(BOB)
        work.held[0].release()
        await work.settle()
        assert work.begun == ["0", "1", "2", "3"]


@pytest.mark.parametrize(("pieces", "begun"), [(4, ["0"]), (3, ["0", "1"])], ids=["much", "little"])
async def test_beside_others_a_user_with_much_work_rests(pieces: int, begun: list[str], clock: Clock) -> None:
    work = Work(Pace(limit=2, rest=20.0))
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(pieces))):
        await work.settle()
        clock.now += ACTIVE_SECONDS - 1
        work.held[0].release()
        await work.settle()
        assert work.begun == begun


async def test_after_the_rest_the_next_work_of_a_user_begins(clock: Clock) -> None:
    work = Work(Pace(limit=1, rest=0.01))
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(3))):
        await work.settle()
        clock.now += ACTIVE_SECONDS - 1
        work.held[0].release()
        await eventually(lambda: work.begun == ["0", "1"])


async def test_all_that_wait_can_be_cancelled() -> None:
    work = Work(Pace(turn_seconds=60.0))
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(5))) as [begun, *waiting]:
        await work.settle()
        work.turns.cancel()
        await work.settle()
        assert ([task.cancelled() for task in waiting], begun.exception()) == ([True] * 4, None)
        assert (work.begun, work.turns.waiting(ADA)) == (["0"], 0)


async def test_a_turn_is_released_once() -> None:
    work = Work()
    async with background(*(work.do(f"{n}") for n in range(6))):
        await work.settle()
        for _ in range(3):
            work.held[0].release()
        await work.settle()
        assert work.begun == ["0", "1", "2", "3"]


async def test_work_that_takes_long_does_not_count() -> None:
    work = Work(Pace(limit=1, turn_seconds=0.0, counted_seconds=0.0))
    async with background(*(work.do(f"{n}") for n in range(5))):
        await eventually(lambda: len(work.begun) == 5)


@pytest.mark.parametrize("first", ["cancelled", "released"])
async def test_cancelled_work_leaves_its_turn_to_the_next(first: str) -> None:
    work = Work(Pace(limit=2))
    async with background(*(work.do(f"{n}") for n in range(4))) as [*_, cancelled, _last]:
        await work.settle()
        if first == "cancelled":
            cancelled.cancel()
        work.held[0].release()
        cancelled.cancel()
        await work.settle()
        assert work.begun == ["0", "1", "3"]


@pytest.mark.parametrize("rest", [0.0, 0.001])
async def test_nothing_is_kept_of_a_user_without_work(rest: float, clock: Clock) -> None:
    work = Work(Pace(limit=2, rest=rest))
    work.activity.note(BOB)
    async with background(*(work.do(f"{n}") for n in range(5))):
        while len(work.begun) < 5:
            await work.settle()
            clock.now += 0.01
            for turn in work.held:
                turn.release()
    await eventually(lambda: vars(work.turns)["_users"] == {})
