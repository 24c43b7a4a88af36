"""Handlers and the unit of work: ownership, saving, and locks."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor, Query
from contracts.refusals import Code, Refusal
from eventing import handling
from eventing.handling import Handlers, UnitOfWork
from eventing.handling.locks import Locks
from eventing.store import DuplicateCommand
from eventing.store.memory import MemoryStore
from eventing.testing import eventually
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, AddMarble, GetJar, JarOpened, OpenJar
from runtime.bus.envelope import Envelope

OTHER = UUID(int=2)
ADA = Actor(user_id=UUID(int=1), role="user")


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(Jar.events)
    for id in (JAR, OTHER):
        jar = Jar(id)
        jar.record(JarOpened.example())
        await store.save((jar,), Envelope.begin())
    return store


@pytest.fixture
def locks() -> Locks:
    return Locks()


def work_on(store: MemoryStore, locks: Locks, envelope: Envelope | None = None) -> UnitOfWork[None]:
    return UnitOfWork(store, envelope or Envelope.begin(), None, locks, ask)


async def ask(query: Query[Any], envelope: Envelope) -> Any:
    return query, envelope


def as_actor(user_id: UUID) -> Envelope:
    return Envelope.begin(actor=Actor(user_id=user_id, role="user"))


async def test_a_query_of_a_handler_has_the_actor_of_its_command(store: MemoryStore, locks: Locks) -> None:
    work = work_on(store, locks, as_actor(OTHER))
    query = GetJar.example()
    assert await work.ask(query) == (query, work.envelope)


async def test_a_handler_is_found_by_the_type_of_its_message() -> None:
    handles = Handlers()

    @handles
    async def open_jar(command: OpenJar, work: Any) -> None: ...

    assert handles.by_type == {OpenJar: open_jar}


def test_a_handler_without_an_annotated_message_is_rejected() -> None:
    async def vague(command: Any, work: Any) -> None: ...

    with pytest.raises(TypeError, match="vague: annotate the first parameter"):
        Handlers()(vague)


def test_a_second_handler_of_a_message_is_rejected() -> None:
    async def add(command: AddMarble, work: Any) -> None: ...

    handles = Handlers()
    handles(add)
    with pytest.raises(TypeError, match="AddMarble has a handler already"):
        handles(add)


async def test_the_actor_is_that_of_the_envelope(store: MemoryStore, locks: Locks) -> None:
    assert work_on(store, locks, Envelope.begin(actor=ADA)).actor == ADA


async def test_reading_the_actor_of_a_message_without_one_raises(store: MemoryStore, locks: Locks) -> None:
    with pytest.raises(ValueError, match="names no actor"):
        _ = work_on(store, locks).actor


async def test_a_repeated_command_is_recognised_when_it_loads(store: MemoryStore, locks: Locks) -> None:
    envelope = Envelope.begin()
    async with work_on(store, locks, envelope) as work:
        jar = await work.load(Jar, JAR)
        jar.add("red")
        await work.save(jar)
    async with work_on(store, locks, envelope) as again:
        with pytest.raises(DuplicateCommand):
            await again.load(Jar, JAR)


async def test_a_second_save_in_one_unit_of_work_raises(store: MemoryStore, locks: Locks) -> None:
    async with work_on(store, locks) as work:
        jar = await work.load(Jar, JAR)
        jar.add("red")
        await work.save(jar)
        with pytest.raises(RuntimeError, match="saves once"):
            await work.save(jar)


async def test_a_change_is_saved_at_the_end_of_its_block(store: MemoryStore, locks: Locks) -> None:
    async with work_on(store, locks, as_actor(JAR)) as work, work.change(Jar, JAR) as jar:
        jar.add("red")
    assert (await store.load(Jar, JAR)).colours == ["red"]


async def test_a_change_that_raises_is_not_saved(store: MemoryStore, locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError):
        await _fail_after_a_change(work_on(store, locks, as_actor(JAR)))
    assert (await store.load(Jar, JAR)).colours == []


@pytest.mark.parametrize("id", [JAR, UUID(int=77)])
async def test_another_owners_aggregate_is_not_found(
    store: MemoryStore,
    locks: Locks,
    id: UUID,
) -> None:
    async with work_on(store, locks, Envelope.begin(actor=ADA)) as work:
        for load in (work.load_visible, work.read_visible, work.load_owned):
            with pytest.raises(Refusal, match=f"SESSION_NOT_FOUND: There is no session {id}"):
                await load(Jar, id)


@pytest.mark.parametrize(("id", "owner"), [(JAR, JAR), (UUID(int=77), None)])
async def test_only_a_refusal_of_an_existing_aggregate_has_its_owner(
    store: MemoryStore, locks: Locks, id: UUID, owner: UUID | None
) -> None:
    async with work_on(store, locks, Envelope.begin(actor=ADA)) as work:
        with pytest.raises(Refusal) as refusal:
            await work.load_visible(Jar, id)
    assert refusal.value.owner == owner


async def test_a_visible_aggregate_of_another_owner_cannot_be_changed(
    store: MemoryStore, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def visible(*_: object) -> bool:
        return True

    monkeypatch.setattr(Jar, "visible_to", visible)
    async with work_on(store, locks, Envelope.begin(actor=ADA)) as work:
        await work.load_visible(Jar, JAR)
        with pytest.raises(Refusal, match=Code.NOT_OWNER):
            await work.load_owned(Jar, JAR)


async def test_a_deleted_aggregate_is_not_found(
    store: MemoryStore, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(jar: Jar, _event: object) -> None:
        jar.deleted = True

    monkeypatch.setattr(Jar, "apply", delete)
    async with work_on(store, locks, as_actor(JAR)) as work:
        with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
            await work.load_visible(Jar, JAR)


async def test_a_unit_of_work_waits_for_an_aggregate_in_use(store: MemoryStore, locks: Locks) -> None:
    async with asyncio.TaskGroup() as tasks, work_on(store, locks) as first:
        await first.load(Jar, JAR)
        second = tasks.create_task(_load(work_on(store, locks), JAR))
        await asyncio.sleep(0)
        assert not second.done()


async def test_an_aggregate_may_be_loaded_twice_in_one_unit_of_work(store: MemoryStore, locks: Locks) -> None:
    async with asyncio.timeout(60), work_on(store, locks) as work:
        await work.load(Jar, JAR)
        await work.load(Jar, JAR)


async def test_units_of_work_that_load_in_opposite_order_do_not_deadlock(
    store: MemoryStore, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "LOCK_TIMEOUT", 0.01)
    async with asyncio.timeout(60), work_on(store, locks) as one, work_on(store, locks) as two:
        await one.load(Jar, JAR)
        await two.load(Jar, OTHER)
        await asyncio.gather(one.load(Jar, OTHER), two.load(Jar, JAR))


async def test_locks_are_removed_when_they_have_no_holder(store: MemoryStore, locks: Locks) -> None:
    await asyncio.gather(*(_load(work_on(store, locks), JAR) for _ in range(5)))
    await eventually(lambda: not [*locks._locks])  # pyright: ignore[reportPrivateUsage]


async def test_a_cancelled_unit_of_work_releases_its_place_in_the_queue(store: MemoryStore, locks: Locks) -> None:
    async with work_on(store, locks) as advisory_lock, asyncio.TaskGroup() as tasks:
        await advisory_lock.load(Jar, JAR)
        waiting = tasks.create_task(_load(work_on(store, locks), JAR))
        await asyncio.sleep(0)
        waiting.cancel()
    async with asyncio.timeout(60):
        await _load(work_on(store, locks), JAR)


async def _load(work: UnitOfWork[None], id: UUID) -> None:
    async with work:
        await work.load(Jar, id)


async def _fail_after_a_change(work: UnitOfWork[None]) -> None:
    async with work, work.change(Jar, JAR) as jar:
        jar.add("red")
        raise ZeroDivisionError
