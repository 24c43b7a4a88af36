"""The reactions of a service, each with a fixed name: renaming a function changes nothing outside the code.

The name is part of what outlives a process: the durable consumer, the lease, the dead-letter subject and the ids of the
commands that are sent to other services. It is also the label of the metrics.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, get_args, get_type_hints
from uuid import UUID

from contracts.messages import Event
from contracts.wire import durable

from eventing.bus import wire
from eventing.leases import UnfinishedWork
from eventing.reactions.persistence import After, at_once, open_work

type React = Callable[[Any, Any], Awaitable[None]]
type Concerning = Callable[[Sequence[wire.EventHeaders], Any], Awaitable[list[bool]]]
type Prefers = Callable[[Any, UUID], Awaitable[bool]]
type Delivery = Literal["shared", "broadcast", "local"]
type When = Callable[[Any, Any], bool]
"""Returns whether to run a local reaction for an event, with these dependencies."""
type Concurrency = int | Callable[[Any], int]
"""A number of events, or a function that returns it for the service's dependencies."""


@dataclass(frozen=True)
class Registration:
    """A reaction, its name, and the kind of event that it reacts to.

    `concerning` returns which of many events the reaction has to process, with these dependencies; None for all.
    `on_dead_letter` is called before an event is dead-lettered. `unfinished` finds the work in the read model.
    `prefers` returns whether the work of an aggregate is cheaper in this replica, with these dependencies. `after` says
    how long to wait before a persistent reaction; None for any other one. After `again` it is repeated. `when` says
    whether to run a local reaction; None for any other one.

    Raises:
        ValueError: it has a preference, but no lease decides between two replicas that both do the work.
    """

    name: str
    event: type[Event]
    react: React
    concurrency: Concurrency = 1
    on_dead_letter: React | None = None
    unfinished: UnfinishedWork | None = None
    delivery: Delivery = "shared"
    prefers: Prefers | None = None
    after: After | None = None
    again: timedelta | None = None
    concerning: Concerning | None = None
    when: When | None = None

    def __post_init__(self) -> None:
        """Check that preferred work is done under a lease."""
        if self.prefers and not self.unfinished:
            raise ValueError(f"the reaction {self.name!r} has a preference, so it needs `unfinished`")

    def slots(self, dependencies: Any) -> int:
        """Return how many events a replica with these dependencies processes at the same time."""
        return self.concurrency if isinstance(self.concurrency, int) else self.concurrency(dependencies)


class Reactions:
    """The reactions of a service. The annotation of the first parameter names the event: `Recorded[RunRequested]`."""

    def __init__(self) -> None:
        self.by_name: dict[str, Registration] = {}

    @classmethod
    def merge(cls, *parts: "Reactions") -> "Reactions":
        """Return the reactions of several modules as one.

        Raises:
            ValueError: two of them have the same name.
        """
        merged = cls()
        for part in parts:
            for registration in part.by_name.values():
                merged.add(registration)
        return merged

    def shared[R: React](
        self,
        name: str,
        *,
        concurrency: Concurrency = 16,
        on_dead_letter: React | None = None,
        unfinished: UnfinishedWork | None = None,
        prefers: Prefers | None = None,
    ) -> Callable[[R], R]:
        """Register a reaction that one replica runs for each event, at least once.

        A replica processes up to `concurrency` events at the same time. Before an event is dead-lettered,
        `on_dead_letter` is retried until it succeeds. The work that `unfinished` finds is done even if the bus has
        dropped the event; an event whose work it does not find is skipped. An event of an aggregate is handed over to
        the replica that `prefers` it, if there is one with a free slot. A new reaction receives the service's own
        events from the time of its first start, and those of another service from the oldest in the stream.

        Raises:
            ValueError: another reaction has the same name, or `prefers` is set without `unfinished`.
        """

        def register(react: R) -> R:
            self.add(Registration(name, _kind(react), react, concurrency, on_dead_letter, unfinished, prefers=prefers))
            return react

        return register

    def persistent[R: React](
        self, name: str, *, after: After = at_once, again: timedelta | None = None, concurrency: Concurrency = 16
    ) -> Callable[[R], R]:
        """Register a shared reaction to an own event that is retried until it succeeds, and never dead-lettered.

        An aggregate has one event of the kind, or the newest one counts. Nothing is done before the time that `after`
        returns. The delay between two attempts grows to a minute. With `again`, it is repeated that long after it has
        succeeded. If the event is erased before that, it has nothing to do any more.

        Raises:
            ValueError: another reaction has the same name.
        """

        def register(react: R) -> R:
            registration = Registration(name, _kind(react), react, concurrency, unfinished=open_work(name))
            self.add(replace(registration, after=after, again=again))
            return react

        return register

    def broadcast[R: React](self, name: str) -> Callable[[R], R]:
        """Register a reaction that every replica runs for each event that is published while it is up, at most once.

        Raises:
            ValueError: another reaction has the same name.
        """

        def register(react: R) -> R:
            self.add(Registration(name, _kind(react), react, delivery="broadcast"))
            return react

        return register

    def local[R: React](self, name: str, *, when: When) -> Callable[[R], R]:
        """Register a reaction to an own event that the replica which has stored it runs, at once and at most once.

        It costs no message, and little more than a call of `when` if that returns False.

        Raises:
            ValueError: another reaction has the same name.
        """

        def register(react: R) -> R:
            self.add(Registration(name, _kind(react), react, delivery="local", when=when))
            return react

        return register

    def delivered(self, delivery: Delivery) -> list[Registration]:
        """Return the reactions with this kind of delivery."""
        return [one for one in self.by_name.values() if one.delivery == delivery]

    def work_of(self, service: str) -> dict[type[Event], str]:
        """Return the consumer name of each of the service's own kinds of event with a shared reaction.

        Raises:
            ValueError: two shared reactions have the same kind: a message of a work stream has one consumer.
        """
        own = [one for one in self.delivered("shared") if wire.service_of(one.event) == service]
        work = {one.event: durable(service, one.name) for one in own}
        if len(work) < len(own):
            raise ValueError(f"two shared reactions of {service} are registered for the same kind of event")
        return work

    def add(self, registration: Registration) -> None:
        """Add a reaction.

        Raises:
            ValueError: another reaction has the same name.
        """
        if registration.name in self.by_name:
            raise ValueError(f"two reactions have the name {registration.name!r}; choose another one")
        self.by_name[registration.name] = registration


def _kind(react: React) -> type[Event]:
    return get_args(next(iter(get_type_hints(react).values())))[0]
