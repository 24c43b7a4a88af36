"""Constraints are checked in the transaction that stores an event, before the read model contains it."""

from dataclasses import replace
from typing import Any

import pytest
from contracts.refusals import Code, Refusal
from eventing.constraints import Constraints
from eventing.database import Connection, Database
from eventing.handling.dispatch import Dispatcher
from eventing.recording import Recorded
from eventing.store import START, AggregateNotFound, Conflict
from eventing.store.postgres import PostgresStore
from eventing.testing import jars
from eventing.testing.jars import Jar
from eventing.testing.messages import AddMarble, JarOpened, MarbleAdded, OpenJar
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from libs.eventing.tests.small_service import jar


class Shelf:
    """A constraint: there are at most `places` jars, which it counts whenever one is opened."""

    def __init__(self, places: int = 1) -> None:
        self.places, self.counted = places, list[int]()
        self.constraints = Constraints()
        self.constraints(self.check_places)

    async def check_places(self, recorded: Recorded[JarOpened], db: Connection) -> None:
        self.counted.append(await db.fetchval("SELECT count(*) FROM jars"))
        if self.counted[-1] >= self.places:
            raise Refusal(Code.TOO_MANY_TASKS, "The shelf is full.")

    def store(self, database: Database) -> PostgresStore:
        return PostgresStore(database, Jar.events, jars.project, self.constraints)


def opened(label: str) -> Jar:
    jar = Jar(new_id())
    jar.record(JarOpened(label=label))
    return jar


async def labels(database: Database) -> list[str]:
    return [row["label"] for row in await database.fetch("SELECT label FROM jars ORDER BY label")]


async def test_what_a_constraint_refuses_is_not_stored(database: Database) -> None:
    store, second = Shelf().store(database), opened("two")
    await store.save((opened("one"),), Envelope.begin())
    with pytest.raises(Refusal, match=Code.TOO_MANY_TASKS):
        await store.save((second,), Envelope.begin())
    with pytest.raises(AggregateNotFound):
        await store.load(Jar, second.id)
    assert (await labels(database), len(await store.feed(START, 10))) == (["one"], 1)


async def test_an_event_is_checked_after_the_earlier_ones_of_its_append(database: Database) -> None:
    shelf = Shelf(2)
    await shelf.store(database).save((opened("one"), opened("two")), Envelope.begin())
    assert shelf.counted == [0, 1]


async def test_one_refused_event_keeps_the_others_of_its_append_out(database: Database) -> None:
    with pytest.raises(Refusal):
        await Shelf().store(database).save((opened("one"), opened("two")), Envelope.begin())
    assert await labels(database) == []


async def test_events_that_are_stored_already_are_not_checked(database: Database) -> None:
    shelf, one = Shelf(), opened("one")
    await shelf.store(database).save((one,), Envelope.begin())
    again = shelf.store(database)
    loaded = await again.load(Jar, one.id)
    loaded.add("red")
    await again.save((loaded,), Envelope.begin())
    assert len(await again.entries(START, 10)) == 2
    assert shelf.counted == [0]


async def test_a_command_is_decided_again_if_a_constraint_finds_a_conflict(database: Database) -> None:
    constrains, checked = Constraints(), list[str]()

    @constrains
    async def check(recorded: Recorded[JarOpened | MarbleAdded], db: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        checked.append(type(recorded.event).__name__)
        if checked == ["JarOpened"]:
            raise Conflict("a jar was faster")

    store = PostgresStore(database, Jar.events, jars.project, constrains)
    dispatcher = Dispatcher[Any](store, database, None, jars.handles, jars.answers)
    await dispatcher.send(OpenJar.example(), Envelope.begin())
    assert await dispatcher.send(AddMarble.example(), Envelope.begin()) == 1
    assert checked == ["JarOpened", "JarOpened", "MarbleAdded"]


def test_a_constraint_names_the_events_that_it_checks() -> None:
    async def check(recorded: Recorded[Any], db: Connection) -> None: ...

    with pytest.raises(TypeError, match="annotate the first parameter"):
        Constraints()(check)


def test_a_service_checks_its_own_events_only() -> None:
    with pytest.raises(ValueError, match=r"check events of other services: \['JarOpened'\]"):
        replace(jar(), aggregates=[], constraints=Shelf().constraints)
