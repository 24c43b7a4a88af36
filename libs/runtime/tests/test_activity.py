"""Users are active for some time after each of their requests."""

import pytest
from runtime import activity
from runtime.activity import Activity
from runtime.testing import Clock

ADA, BOB, CAROL, SECONDS = "Ada", "Bob", "Carol", 5.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(activity, "monotonic", clock)
    return clock


def test_nobody_is_beside_another_at_first(clock: Clock) -> None:
    assert not Activity[str](SECONDS).is_beside(ADA)


def test_a_user_is_not_beside_itself(clock: Clock) -> None:
    users = Activity[str](SECONDS)
    users.note(ADA)
    users.note(ADA)
    assert not users.is_beside(ADA)
    assert users.is_beside(BOB)


def test_both_of_two_users_who_send_requests_are_beside_the_other(clock: Clock) -> None:
    users = Activity[str](SECONDS)
    for user in (ADA, BOB, BOB):
        users.note(user)
    assert users.is_beside(ADA)
    assert users.is_beside(BOB)


def test_a_user_is_active_for_some_seconds_only(clock: Clock) -> None:
    users = Activity[str](SECONDS)
    users.note(BOB)
    clock.now += SECONDS - 1
    users.note(ADA)
    assert users.is_beside(ADA)
    clock.now += 1
    users.note(ADA)
    assert not users.is_beside(ADA)
    assert users.is_beside(BOB)


def test_a_request_tells_whether_somebody_may_be_beside_another_since(clock: Clock) -> None:
    users = Activity[str](SECONDS)
    assert [users.note(user) for user in (ADA, ADA, BOB, ADA, BOB, CAROL)] == [True, False, True, False, False, False]
    clock.now = SECONDS - 1
    assert users.note(ADA) is False
    clock.now = 2 * SECONDS - 2
    assert [users.note(user) for user in (ADA, BOB, ADA)] == [False, True, False]
    clock.now += SECONDS
    assert users.note(ADA) is True
