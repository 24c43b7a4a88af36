"""The places of a replica: which runs are released while they wait for approvals."""

import asyncio

import pytest
from session.agent import places as module
from session.agent.places import MIN_SECONDS, Place, Places

LONG = 1000.0


def waiting(place: Place, seconds: float, *, may_end: bool = True) -> Place:
    """Let the run of a place wait since some seconds ago; its agent `may_end`, or refuses to."""
    place.since = asyncio.get_running_loop().time() - seconds
    place.release = lambda: may_end
    return place


async def test_a_run_is_released_once_it_has_waited_too_long() -> None:
    places = Places(10, LONG)
    with places.take() as early, places.take() as late:
        waiting(early, LONG + 1)
        waiting(late, LONG / 2)
        places.review()
        assert (bool(early.released), bool(late.released)) == (True, False)


async def test_the_run_that_has_waited_longest_makes_room() -> None:
    places = Places(3, LONG)
    with places.take() as first, places.take() as second:
        waiting(first, MIN_SECONDS + 10)
        waiting(second, MIN_SECONDS + 20)
        with places.take():
            assert (bool(first.released), bool(second.released)) == (False, True)


async def test_no_more_runs_are_released_than_places_are_needed() -> None:
    places = Places(2, LONG)
    with places.take() as first, places.take() as second:
        waiting(first, MIN_SECONDS + 20)
        waiting(second, MIN_SECONDS + 10)
        places.review()
        places.review()
        assert (bool(first.released), bool(second.released)) == (True, False)


async def test_a_run_that_waits_again_makes_room_for_others_that_continue() -> None:
    places = Places(4, LONG)
    with places.take() as first, places.take(continues=True) as again:
        waiting(first, MIN_SECONDS + 20)
        waiting(again, MIN_SECONDS + 10)
        with places.take(continues=True):
            assert (bool(first.released), bool(again.released)) == (False, True)


@pytest.mark.parametrize("seconds", [0.0, LONG / 4])
async def test_a_run_that_has_just_begun_to_wait_is_not_released(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(module, "MIN_SECONDS", LONG / 2)
    places = Places(1, LONG)
    with places.take() as place:
        waiting(place, seconds)
        places.review()
        assert not place.released


async def test_a_run_whose_agent_does_more_than_wait_is_not_released() -> None:
    places = Places(2, LONG)
    with places.take() as busy, places.take() as idle:
        waiting(busy, LONG + 2, may_end=False)
        waiting(idle, LONG + 1)
        places.review()
        assert (bool(busy.released), bool(idle.released)) == (False, True)


async def test_a_run_that_continues_is_not_released() -> None:
    places = Places(1, LONG)
    with places.take() as place:
        waiting(place, LONG + 1).resume()
        places.review()
        assert not place.released


async def test_a_run_that_has_ended_leaves_its_place() -> None:
    places = Places(2, LONG)
    with places.take():
        pass
    with places.take() as place:
        waiting(place, MIN_SECONDS + 1)
        places.review()
        assert not place.released


async def test_a_replica_that_stops_releases_all_that_wait() -> None:
    places = Places(10, LONG)
    with places.take() as waits, places.take() as works:
        waiting(waits, 0)
        places.stop(LONG)
        assert (waits.released, works.released, works.stopping) == ("approval", None, True)
