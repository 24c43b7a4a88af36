"""Folds and projections of several subjects are put together by the types of their events."""

from typing import Any, cast
from uuid import UUID

import pytest
from eventing.aggregate import Aggregate
from eventing.database import Connection
from eventing.projections import Projections
from eventing.recording import Recorded
from eventing.testing.messages import JAR, JarBroken, JarEvent, JarOpened, LockSet, MarbleAdded
from runtime import clock
from runtime.bus.envelope import Envelope

type ContentEvent = MarbleAdded | LockSet
NO_DATABASE = cast(Connection, None)
ADDED = MarbleAdded(colour="red", size=1)


class Content:
    applied: Any

    def apply_content(self, event: ContentEvent) -> None:
        self.applied = event


class Owned:
    @property
    def owner(self) -> UUID:
        return JAR


def test_an_event_is_folded_by_the_method_of_its_subject() -> None:
    class Jar(Owned, Content, Aggregate[JarEvent]):
        def apply_lifecycle(self, event: JarOpened | JarBroken) -> None: ...

    jar = Jar(JAR)
    jar.record(ADDED)
    assert jar.applied == ADDED


def test_an_aggregate_that_forgets_an_event_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"one method `apply_…` for each of \['JarBroken'\]"):

        class Jar(Owned, Content, Aggregate[JarEvent]):  # pyright: ignore[reportUnusedClass]
            def apply_lifecycle(self, event: JarOpened) -> None: ...


def test_an_aggregate_that_folds_an_event_twice_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"one method `apply_…` for each of \['LockSet'\]"):

        class Jar(Owned, Content, Aggregate[JarEvent]):  # pyright: ignore[reportUnusedClass]
            def apply_lifecycle(self, event: JarOpened | JarBroken | LockSet) -> None: ...


class Projected:
    """Notes which functions have projected an event."""

    def __init__(self) -> None:
        self.by: list[str] = []

    async def lifecycle(self, event: JarOpened | JarBroken, _recorded: Recorded[Any], _db: Connection) -> None:
        self.by.append("lifecycle")

    async def content(self, event: ContentEvent, _recorded: Recorded[Any], _db: Connection) -> None:
        self.by.append("content")

    async def colours(self, event: MarbleAdded, _recorded: Recorded[Any], _db: Connection) -> None:
        self.by.append("colours")


async def test_an_event_is_projected_by_all_functions_of_its_subject() -> None:
    projected = Projected()
    project = Projections(JarEvent, projected.colours, projected.lifecycle, projected.content)
    await project(Recorded(JAR, 1, clock.now(), ADDED, Envelope.begin(), JAR), NO_DATABASE)
    assert projected.by == ["colours", "content"]


def test_a_projection_that_forgets_an_event_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"nothing projects \['LockSet'\]"):
        Projections(JarEvent, Projected().lifecycle, Projected().colours)
