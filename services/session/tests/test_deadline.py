"""The deadline of a run, and its cancellation by its worker."""

import asyncio

from contracts.refusals import Code, Refusal
from session.reactions.cancellation import Cancellation
from session.reactions.deadline import Deadline


def expiring(seconds: float) -> tuple[Deadline, asyncio.Event]:
    """Return a deadline, and the event that it sets when it expires."""
    expired = asyncio.Event()
    return Deadline(seconds, expired.set), expired


async def test_a_deadline_expires() -> None:
    deadline, expired = expiring(0.01)
    with deadline:
        await asyncio.wait_for(expired.wait(), 60)
    assert deadline.expired


async def test_the_time_that_has_passed_is_the_whole_time_once_it_is_over() -> None:
    deadline, expired = expiring(0.01)
    with deadline:
        await asyncio.wait_for(expired.wait(), 60)
        await asyncio.sleep(0.05)
        assert deadline.used_ms == 10


async def test_a_paused_deadline_does_not_expire() -> None:
    deadline, expired = expiring(0.05)
    with deadline, deadline.paused(), deadline.paused():
        await asyncio.sleep(0.2)
    assert (deadline.expired, expired.is_set()) == (False, False)


async def test_a_deadline_continues_after_its_last_pause() -> None:
    deadline, expired = expiring(0.05)
    with deadline:
        with deadline.paused(), deadline.paused():
            pass
        await asyncio.wait_for(expired.wait(), 60)
    assert deadline.expired


async def test_a_closed_deadline_does_not_expire() -> None:
    deadline, expired = expiring(0.01)
    with deadline:
        pass
    await asyncio.sleep(0.05)
    assert not expired.is_set()


async def test_a_pause_that_ends_after_its_deadline_starts_no_timer() -> None:
    deadline, expired = expiring(0.01)
    with deadline:
        pause = deadline.paused()
        pause.__enter__()
    pause.__exit__(None, None, None)
    await asyncio.sleep(0.05)
    assert not expired.is_set()


async def test_requesting_a_cancellation_ends_the_agent() -> None:
    ended = asyncio.Event()

    async def end() -> None:
        ended.set()

    async with asyncio.timeout(60), Cancellation(end) as cancellation:
        cancellation.request()
        await ended.wait()
    assert (cancellation.requested, cancellation.refusal) == (True, None)


async def test_without_a_request_a_cancellation_ends_nothing() -> None:
    async def end() -> None:
        raise AssertionError

    async with Cancellation(end) as cancellation:
        await asyncio.sleep(0)
    assert not cancellation.requested


async def test_a_cancellation_keeps_its_first_refusal() -> None:
    async def end() -> None: ...

    async with Cancellation(end) as cancellation:
        for code in (Code.RUN_TAKEN, Code.RUN_OVER):
            cancellation.request(Refusal(code, "No."))
    assert cancellation.refusal
    assert cancellation.refusal.code is Code.RUN_TAKEN
