"""Aggregates as sentences: given these events, when that is done, then those events are recorded, or it is refused."""

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
        """Do something with the aggregate."""
        return When(self.aggregate, act)


class When[A: AnyAggregate]:
    """What was done, and is to be judged."""

    def __init__(self, aggregate: A, act: Callable[[A], object]) -> None:
        self.aggregate, self.act = aggregate, act

    def then(self, *events: Event) -> None:
        """Assert that exactly these events were recorded; none at all is a good answer too."""
        self.act(self.aggregate)
        self._recorded(*events)

    def refused(self, code: Code) -> None:
        """Assert that it was refused with this code, and that nothing was recorded."""
        refused(code, lambda: self.act(self.aggregate))
        self._recorded()

    def _recorded(self, *events: Event) -> None:
        if self.aggregate.pending != [*events]:
            raise AssertionError(f"recorded: {self.aggregate.pending}\nexpected: {[*events]}")


def refused(code: Code, act: Callable[[], object]) -> str:
    """Assert that something is refused with this code, and return the detail."""
    try:
        done = act()
    except Refusal as refusal:
        if refusal.code != code:
            raise AssertionError(f"refused with {refusal.code}, not with {code}") from refusal
        return refusal.detail
    raise AssertionError(f"not refused; returned: {done}")


def replayed[A: AnyAggregate](aggregate: A) -> A:
    """Give the aggregate that is read back from what this new one recorded. Replay equals live when both are alike."""
    mapper = EventMapper()
    stored = [mapper.to_stored_event(change) for change in _changes(aggregate, aggregate.pending)]
    again = type(aggregate)(aggregate.id)
    _fold(again, [mapper.to_event(event.topic, event.state, aggregate.events) for event in stored])
    return again


def _fold(aggregate: AnyAggregate, events: tuple[Event, ...] | list[Event]) -> None:
    for change in _changes(aggregate, events):
        change.fold(aggregate)


def _changes(aggregate: AnyAggregate, events: tuple[Event, ...] | list[Event]) -> list[Change]:
    return [Change(aggregate.id, aggregate.version + n, clock.now(), event) for n, event in enumerate(events, start=1)]
