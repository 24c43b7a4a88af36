"""The places of a replica: which runs are released while they wait for approvals."""

import asyncio
from uuid import UUID

import pytest
from runtime.activity import Activity
from runtime.clock import new_id
from runtime.testing import background
from runtime.turns import Pace
from session.agent import places as module
from session.agent.places import MIN_SECONDS, Place, Places

LONG = 1000.0
OWNER, OTHER = new_id(), new_id()


def places_for(number: int, activity: Activity[UUID] | None = None) -> Places:
    return Places(number, LONG, activity or Activity(LONG))


def waiting(place: Place, seconds: float, *, may_end: bool = True) -> Place:
    """Let the run of a place wait since some seconds ago; its agent `may_end`, or refuses to."""
    place.since = asyncio.get_running_loop().time() - seconds
    place.release = lambda: may_end
    return place


async def test_a_run_is_released_once_it_has_waited_too_long() -> None:
    places = places_for(10)
    async with places.take(OWNER) as early, places.take(OWNER) as late:
        waiting(early, LONG + 1)
        waiting(late, LONG / 2)
        places.review()
        assert (bool(early.released), bool(late.released)) == (True, False)


async def test_the_run_that_has_waited_longest_makes_room() -> None:
    places = places_for(3)
    async with places.take(OWNER) as first, places.take(OWNER) as second:
        waiting(first, MIN_SECONDS + 10)
        waiting(second, MIN_SECONDS + 20)
        async with places.take(OWNER):
            assert (bool(first.released), bool(second.released)) == (False, True)


async def test_no_more_runs_are_released_than_places_are_needed() -> None:
    places = places_for(2)
    async with places.take(OWNER) as first, places.take(OWNER) as second:
        waiting(first, MIN_SECONDS + 20)
        waiting(second, MIN_SECONDS + 10)
        places.review()
        places.review()
        assert (bool(first.released), bool(second.released)) == (True, False)


async def test_a_run_that_waits_again_makes_room_for_others_that_continue() -> None:
    places = places_for(4)
    async with places.take(OWNER) as first, places.take(OWNER, continues=True) as again:
        waiting(first, MIN_SECONDS + 20)
        waiting(again, MIN_SECONDS + 10)
        async with places.take(OWNER, continues=True):
            assert (bool(first.released), bool(again.released)) == (False, True)


@pytest.mark.parametrize("seconds", [0.0, LONG / 4])
async def test_a_run_that_has_just_begun_to_wait_is_not_released(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(module, "MIN_SECONDS", LONG / 2)
    places = places_for(1)
    async with places.take(OWNER) as place:
        waiting(place, seconds)
        places.review()
        assert not place.released


async def test_a_run_whose_agent_does_more_than_wait_is_not_released() -> None:
    places = places_for(2)
    async with places.take(OWNER) as busy, places.take(OWNER) as idle:
        waiting(busy, LONG + 2, may_end=False)
        waiting(idle, LONG + 1)
        places.review()
        assert (bool(busy.released), bool(idle.released)) == (False, True)


async def test_a_run_that_continues_is_not_released() -> None:
    places = places_for(1)
    async with places.take(OWNER) as place:
        waiting(place, LONG + 1).resume()
        places.review()
        assert not place.released


async def test_a_run_that_has_ended_leaves_its_place() -> None:
    places = places_for(2)
    async with places.take(OWNER):
        pass
    async with places.take(OWNER) as place:
        waiting(place, MIN_SECONDS + 1)
        places.review()
        assert not place.released


async def test_a_replica_that_stops_releases_all_that_wait() -> None:
    places = places_for(10)
    async with places.take(OWNER) as waits, places.take(OWNER) as works:
        waiting(waits, 0)
        places.stop(LONG)
        assert (waits.released, works.released, works.stopping) == ("approval", None, True)


class Runs:
    """Runs of a user beside another one, in the order in which they begin."""

    def __init__(self) -> None:
        activity = Activity[UUID](LONG)
        activity.note(OTHER)
        self.places, self.begun, self.ended = places_for(10, activity), list[Place](), asyncio.Event()

    async def begin(self, owner: UUID = OWNER, *, continues: bool = False) -> None:
        async with self.places.take(owner, continues=continues) as place:
            self.begun.append(place)
            await self.ended.wait()

    async def number(self) -> int:
        for _ in range(10):
            await asyncio.sleep(0)
        return len(self.begun)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr(module, "PACE", Pace(turn_seconds=LONG))
    return Runs()


async def test_beside_others_a_run_begins_when_the_agent_of_the_last_is_ready(runs: Runs) -> None:
    async with background(*(runs.begin() for _ in range(3))):
        assert await runs.number() == 1
        runs.begun[0].let_next_begin()
        assert await runs.number() == 2


async def test_beside_others_a_run_begins_when_the_last_has_ended(runs: Runs) -> None:
    async with background(*(runs.begin() for _ in range(3))):
        assert await runs.number() == 1
        runs.ended.set()
        assert await runs.number() == 3


async def test_a_run_that_continues_does_not_wait_for_others_of_its_user(runs: Runs) -> None:
    async with background(runs.begin(), runs.begin(), runs.begin(continues=True)):
        assert await runs.number() == 2
        assert runs.begun[1].continues


async def test_a_replica_that_stops_returns_the_runs_that_wait_to_begin(runs: Runs) -> None:
    async with background(*(runs.begin() for _ in range(3))) as [begun, *waiting]:
        assert await runs.number() == 1
        runs.places.stop(LONG)
        assert await runs.number() == 1
        assert ([run.cancelled() for run in waiting], begun.done()) == ([True, True], False)
