"""The order in which agents start."""

import asyncio
from uuid import UUID

import pytest
from session.agent.start_slots import StartSlots

ALICE, BOB, CAROL = UUID(int=1), UUID(int=2), UUID(int=3)


async def started(slots: StartSlots, order: list[str], name: str, owner: UUID | None) -> None:
    async with slots.take(owner, spare=owner is None):
        order.append(name)
        await asyncio.sleep(0)


async def test_a_user_with_many_starts_does_not_delay_another() -> None:
    slots, order = StartSlots(2), list[str]()
    async with asyncio.TaskGroup() as tasks:
        for n in range(4):
            tasks.create_task(started(slots, order, f"alice {n}", ALICE))
        tasks.create_task(started(slots, order, "bob", BOB))
    assert order == ["alice 0", "alice 1", "bob", "alice 2", "alice 3"]


async def test_the_first_start_of_a_user_does_not_wait_for_those_of_another() -> None:
    slots, order = StartSlots(1), list[str]()
    async with asyncio.TaskGroup() as tasks, slots.take(ALICE):
        waiting = tasks.create_task(started(slots, order, "alice", ALICE))
        await started(slots, order, "bob", BOB)
        assert (order, waiting.done()) == (["bob"], False)


async def test_the_starts_of_many_users_are_bounded() -> None:
    slots, order = StartSlots(1), list[str]()
    async with asyncio.TaskGroup() as tasks, slots.take(ALICE), slots.take(BOB):
        tasks.create_task(started(slots, order, "carol", CAROL))
        await asyncio.sleep(0)
        assert order == []
    assert order == ["carol"]


async def test_starts_in_advance_wait_for_all_others() -> None:
    slots, order = StartSlots(1), list[str]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(started(slots, order, "alice 0", ALICE))
        tasks.create_task(started(slots, order, "spare", None))
        tasks.create_task(started(slots, order, "alice 1", ALICE))
    assert order == ["alice 0", "alice 1", "spare"]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_cancelled_start_leaves_its_slot_to_others(waits: bool) -> None:
    slots, order = StartSlots(1), list[str]()
    async with asyncio.TaskGroup() as tasks:
        async with slots.take(ALICE):
            cancelled = tasks.create_task(started(slots, order, "cancelled", ALICE))
            await asyncio.sleep(0)
            if waits:
                cancelled.cancel()
        cancelled.cancel()
        tasks.create_task(started(slots, order, "bob", BOB))
    assert order == ["bob"]


async def test_a_user_without_starts_is_forgotten() -> None:
    slots = StartSlots(1)
    async with slots.take(ALICE), slots.take(BOB):
        pass
    assert not slots._starting  # pyright: ignore[reportPrivateUsage]


async def test_starts_in_advance_leave_a_slot_free() -> None:
    slots, order = StartSlots(2), list[str]()
    async with asyncio.TaskGroup() as tasks, slots.take(None, spare=True):
        waiting = tasks.create_task(started(slots, order, "spare", None))
        await started(slots, order, "alice", ALICE)
        assert (order, waiting.done()) == (["alice"], False)
    assert order == ["alice", "spare"]
