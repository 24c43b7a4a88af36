"""Sliding windows of rate limits."""

from dataclasses import replace

import pytest
from gateway.clients.rates.windows import Window
from hypothesis import given
from hypothesis import strategies as st

windows = st.builds(
    Window,
    limit=st.integers(1, 2000),
    seconds=st.sampled_from([1, 7, 60, 3600]),
    previous=st.integers(0, 2000),
    current=st.integers(0, 2000),
    now=st.floats(0, 10_000),
)


def later(window: Window, seconds: float) -> Window:
    """Return the window as it is after some seconds in which nothing is sent."""
    passed = int((window.now + seconds) // window.seconds - window.now // window.seconds)
    counts = [window.previous, window.current, 0, 0][passed : passed + 2]
    return replace(window, now=window.now + seconds, previous=counts[0], current=counts[1])


@pytest.mark.parametrize(("elapsed", "used"), [(0, 70), (15, 55), (30, 40), (59, 11)])
def test_the_earlier_window_counts_less_and_less(elapsed: int, used: int):
    assert Window(limit=60, seconds=60, previous=60, current=10, now=600 + elapsed).used == used


@pytest.mark.parametrize(("current", "exceeded", "remaining"), [(59, False, 1), (60, False, 0), (61, True, 0)])
def test_the_limit_itself_is_allowed(current: int, exceeded: bool, remaining: int):
    window = Window(limit=60, seconds=60, previous=0, current=current, now=600)
    assert (window.exceeded, window.remaining) == (exceeded, remaining)


@pytest.mark.parametrize(("now", "reset"), [(600, 60), (600.5, 60), (659.5, 1)])
def test_the_reset_is_the_end_of_the_window_rounded_up(now: float, reset: int):
    assert Window(limit=60, seconds=60, previous=0, current=1, now=now).reset == reset


@given(windows)
def test_one_more_request_is_allowed_after_the_announced_time(window: Window):
    then = later(window, window.retry_after)
    assert not replace(then, current=then.current + 1).exceeded


@given(windows)
def test_no_request_is_allowed_well_before_the_announced_time(window: Window):
    if window.retry_after > 1:
        assert later(window, window.retry_after - 1.1).remaining == 0
