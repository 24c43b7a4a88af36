"""What follows from an attempt."""

import pytest
from contracts.webhook.values import TEST_EVENT, Attempt
from runtime.clock import new_id
from webhook.delivery.claims import Claimed
from webhook.delivery.outcomes import JITTER, Outcomes

from .samples import NOON

OUTCOMES = Outcomes([10.0, 1000.0])


def claimed(made: int = 0, type: str = "session.created") -> Claimed:  # noqa: A002
    return Claimed(new_id(), new_id(), new_id(), type, made, NOON, "{}", is_first=made == 0, claim=new_id())


def attempt(status: int | None) -> Attempt:
    error = None if status == 200 else "no"
    return Attempt(at=NOON, status_code=status, latency_ms=1, error=error, answer="")


def test_an_accepted_request_is_delivered() -> None:
    ended = OUTCOMES.of(claimed(), attempt(200))
    assert (ended.status, ended.pause, ended.counts, ended.disable) == ("delivered", 0, True, None)


@pytest.mark.parametrize(("made", "pause"), [(0, 10.0), (1, 1000.0)])
@pytest.mark.parametrize("status", [500, 301, 404, 429, None])
def test_a_failed_request_is_repeated_after_the_next_pause(status: int | None, made: int, pause: float) -> None:
    ended = OUTCOMES.of(claimed(made), attempt(status))
    assert ended.status == "pending"
    assert pause * (1 - JITTER) <= ended.pause <= pause * (1 + JITTER)


def test_pauses_differ() -> None:
    assert len({OUTCOMES.of(claimed(), attempt(500)).pause for _ in range(10)}) > 1


def test_the_last_failure_ends_the_delivery() -> None:
    ended = OUTCOMES.of(claimed(2), attempt(500))
    assert (ended.status, ended.pause) == ("failed", 0)


def test_a_receiver_that_is_gone_disables_the_webhook() -> None:
    ended = OUTCOMES.of(claimed(), attempt(410))
    assert (ended.status, ended.disable) == ("failed", "gone")


@pytest.mark.parametrize("status", [500, 410])
def test_a_failed_test_says_nothing_about_the_receiver(status: int) -> None:
    ended = OUTCOMES.of(claimed(type=TEST_EVENT), attempt(status))
    assert (ended.status, ended.counts, ended.disable) == ("failed", False, None)
