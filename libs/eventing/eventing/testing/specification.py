"""Specifications of aggregates: given some events, when an action is taken, then these events are recorded."""

from collections.abc import Callable

from contracts.messages import Event
from contracts.refusals import Code, Refusal
from runtime import clock

from eventing.recording import Change, EventMapper
from eventing.store import AnyAggregate


class Given[A: AnyAggregate]:
    """`Given(Session(id), created).when(lambda session: session.delete()).then(deleted)`."""

    def __init__(self, aggregate: A, *events: Event) -> None:
        self.aggregate = aggregate
        _fold(aggregate, events)

    def when(self, act: Callable[[A], object]) -> "When[A]":
        """Set the action, which `then` or `refused` takes."""
        return When(self.aggregate, act)


class When[A: AnyAggregate]:
    """An action on an aggregate, to be followed by an assertion."""

    def __init__(self, aggregate: A, act: Callable[[A], object]) -> None:
        self.aggregate, self.act = aggregate, act

    def then(self, *events: Event) -> None:
        """Assert that the action records exactly these events, or none."""
        self.act(self.aggregate)
        self._assert_recorded(*events)

    def refused(self, code: Code) -> None:
        """Assert that the action is refused with this code and records nothing."""
        refused(code, lambda: self.act(self.aggregate))
        self._assert_recorded()

    def _assert_recorded(self, *events: Event) -> None:
        if self.aggregate.pending != [*events]:
            raise AssertionError(f"recorded: {self.aggregate.pending}\nexpected: {[*events]}")


def refused(code: Code, act: Callable[[], object]) -> str:
    """Assert that a call is refused with this code, and return the detail."""
    try:
        result = act()
    except Refusal as refusal:
        if refusal.code != code:
            raise AssertionError(f"refused with {refusal.code}, not with {code}") from refusal
        return refusal.detail
    raise AssertionError(f"not refused; returned: {result}")


def replayed[A: AnyAggregate](aggregate: A) -> A:
    """Return a copy of a new aggregate, read back from the events that it recorded: it should equal the original."""
    mapper = EventMapper()
    stored = [mapper.to_stored_event(change) for change in _changes(aggregate, aggregate.pending)]
    copy = type(aggregate)(aggregate.id)
    _fold(copy, [mapper.to_event(event.topic, event.state, aggregate.events) for event in stored])
    return copy


def _fold(aggregate: AnyAggregate, events: tuple[Event, ...] | list[Event]) -> None:
    for change in _changes(aggregate, events):
        change.fold(aggregate)


def _changes(aggregate: AnyAggregate, events: tuple[Event, ...] | list[Event]) -> list[Change]:
    return [Change(aggregate.id, aggregate.version + n, clock.now(), event) for n, event in enumerate(events, start=1)]
