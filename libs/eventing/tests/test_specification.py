"""The test kit for aggregates, and the rules that every aggregate and its events follow."""

from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Event
from contracts.refusals import Code
from eventing.aggregate import Aggregate
from eventing.recording import Change, EventMapper
from eventing.store.state import codec_of
from eventing.testing import Given, jars, replayed
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarBroken, JarEvent, JarOpened, LockSet, MarbleAdded
from eventsourcing.domain import OriginatorVersionError
from eventsourcing.persistence import MapperDeserialisationError, StoredEvent
from hypothesis import given
from hypothesis import strategies as st
from runtime.clock import now

OPENED, ADDED = JarOpened.example(), MarbleAdded.example()
EVENTS: st.SearchStrategy[JarEvent] = st.one_of(
    *(st.from_type(kind) for kind in (JarOpened, MarbleAdded, LockSet, JarBroken))
)


def test_a_matching_event_passes() -> None:
    Given(Jar(JAR), OPENED).when(lambda jar: jar.add("blue")).then(ADDED)


def test_a_different_event_is_reported() -> None:
    with pytest.raises(AssertionError, match="red"):
        Given(Jar(JAR), OPENED).when(lambda jar: jar.add("red")).then(ADDED)


def test_an_expected_refusal_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "MAX_MARBLES", 1)
    Given(Jar(JAR), OPENED, ADDED).when(lambda jar: jar.add("blue")).refused(Code.BUDGET_EXCEEDED)


def test_a_missing_refusal_is_reported() -> None:
    with pytest.raises(AssertionError, match="not refused"):
        Given(Jar(JAR), OPENED).when(lambda jar: jar.add("blue")).refused(Code.BUDGET_EXCEEDED)


def test_a_refusal_with_another_code_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "MAX_MARBLES", 0)
    with pytest.raises(AssertionError, match="BUDGET_EXCEEDED, not with SESSION_BUSY"):
        Given(Jar(JAR), OPENED).when(lambda jar: jar.add("blue")).refused(Code.SESSION_BUSY)


@given(st.lists(EVENTS))
def test_a_replay_yields_the_live_state(events: list[JarEvent]) -> None:
    live = Jar(JAR)
    for event in events:
        live.record(event)
    restored = replayed(live)
    live.mark_committed()
    assert {**vars(restored), "modified_on": None} == vars(live)


@given(st.lists(EVENTS))
def test_a_dumped_state_is_restored(events: list[JarEvent]) -> None:
    jar, restored = Jar(JAR), Jar(JAR)
    for number, event in enumerate(events, start=1):
        Change(JAR, number, now(), event).fold(jar)
    codec_of(Jar).restore(restored, jar.version, jar.modified_on or now(), codec_of(Jar).dump(jar))
    assert {**vars(restored), "modified_on": jar.modified_on} == vars(jar)


def test_an_attribute_without_an_annotation_cannot_be_dumped() -> None:
    jar = Jar(JAR)
    vars(jar)["lid"] = "green"
    with pytest.raises(TypeError, match=r"annotate.*lid.*Jar"):
        codec_of(Jar).dump(jar)


def test_an_aggregate_knows_its_events_by_subject() -> None:
    assert Jar.events == {
        "evt.jar.opened": JarOpened,
        "evt.jar.marble_added": MarbleAdded,
        "evt.jar.lock_set": LockSet,
        "evt.jar.broken": JarBroken,
    }


def test_an_aggregate_may_have_a_single_kind_of_event() -> None:
    class Box(Aggregate[JarOpened]):
        @property
        def owner(self) -> UUID:
            return self.id

        def apply(self, event: JarOpened) -> None: ...

    assert Box.events == {"evt.jar.opened": JarOpened}


def test_a_gap_in_the_events_of_an_aggregate_raises() -> None:
    with pytest.raises(OriginatorVersionError):
        Change(JAR, 2, now(), OPENED).fold(Jar(JAR))


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("evt.jar.unknown;1", b"{}"),
        ("evt.jar.opened;2", b'{"label": "blue ones"}'),
        ("evt.jar.opened;1", b"no json"),
        ("evt.jar.opened;1", b'{"label": "blue ones", "unknown": 1}'),
        ("evt.jar.opened", b'{"label": "blue ones"}'),
    ],
)
def test_an_invalid_stored_event_is_not_read(topic: str, state: bytes) -> None:
    with pytest.raises(MapperDeserialisationError, match=topic):
        EventMapper().to_event(topic, state, Jar.events)


@pytest.mark.parametrize("event", [OPENED, ADDED, LockSet.example()])
def test_a_stored_event_names_no_module(event: Event) -> None:
    stored: StoredEvent = EventMapper().to_stored_event(Change(UUID(int=1), 1, now(), event))
    assert "eventing" not in stored.topic + stored.state.decode()


def test_upcasting_an_unknown_version_raises() -> None:
    state: dict[str, Any] = {}
    with pytest.raises(ValueError, match=r"evt\.jar\.marble_added has no version 3"):
        MarbleAdded.upcast(3, state)
