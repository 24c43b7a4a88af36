"""The reactions of a service, each under a name that is written down: renaming a function changes nothing outside.

The name is part of what outlives a process: the durable consumer, the lease, the dead-letter subject, the ids of the
commands that are sent to other services; and the label of the metrics.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from contracts.messages import Event

from eventing import wire
from eventing.consumers import durable
from eventing.leases import Unfinished

type React = Callable[[Any, Any], Awaitable[None]]
type Concurrency = int | Callable[[Any], int]
"""How many; or what tells so, given the service's tools."""


@dataclass(frozen=True)
class Registration:
    """A reaction, its written name, and the event it is for.

    `on_dead_letter` is called before an event is dead-lettered; `unfinished` finds the work in the read model.
    """

    name: str
    event: type[Event]
    react: React
    concurrency: Concurrency = 1
    on_dead_letter: React | None = None
    unfinished: Unfinished | None = None
    delivery: Literal["shared", "broadcast"] = "shared"

    def slots(self, dependencies: Any) -> int:
        """Return on how many events a replica with these tools acts at the same time."""
        return self.concurrency if isinstance(self.concurrency, int) else self.concurrency(dependencies)


class Reactions:
    """The reactions of a service. A reaction's first parameter says which event it is for: `Recorded[RunRequested]`."""

    def __init__(self) -> None:
        self.by_name: dict[str, Registration] = {}

    @classmethod
    def together(cls, *parts: "Reactions") -> "Reactions":
        """Return the reactions of all the parts of a room.

        Raises:
            ValueError: two of them have one name.
        """
        whole = cls()
        for part in parts:
            for registration in part.by_name.values():
                whole.add(registration)
        return whole

    def shared[R: React](
        self,
        name: str,
        *,
        concurrency: Concurrency = 16,
        on_dead_letter: React | None = None,
        unfinished: Unfinished | None = None,
    ) -> Callable[[R], R]:
        """Let one replica act on each event, at least once; a replica acts on up to `concurrency` events at once.

        Before an event is dead-lettered, `on_dead_letter` is tried until it succeeds. What `unfinished` finds is acted
        on even if the bus has dropped the event; an event whose work it does not find is passed over. A new reaction
        gets the service's own events from when it is there; those of another service from the oldest in the stream.

        Raises:
            ValueError: another reaction has the name.
        """

        def register(react: R) -> R:
            self.add(Registration(name, _kind(react), react, concurrency, on_dead_letter, unfinished))
            return react

        return register

    def broadcast[R: React](self, name: str) -> Callable[[R], R]:
        """Let every replica hear each event that comes while it is up, at most once.

        Raises:
            ValueError: another reaction has the name.
        """

        def register(react: R) -> R:
            self.add(Registration(name, _kind(react), react, delivery="broadcast"))
            return react

        return register

    def delivered(self, delivery: Literal["shared", "broadcast"]) -> list[Registration]:
        """Return the reactions to which events are delivered in this way."""
        return [one for one in self.by_name.values() if one.delivery == delivery]

    def work_of(self, service: str) -> dict[type[Event], str]:
        """Return the service's own kinds of event that one replica acts on, each with the name of its consumer.

        Raises:
            ValueError: two reactions are for one kind: a message of a work stream has one consumer.
        """
        own = [one for one in self.delivered("shared") if wire.service_of(one.event) == service]
        work = {one.event: durable(service, one.name) for one in own}
        if len(work) < len(own):
            raise ValueError(f"two shared reactions of {service} are for one kind of event")
        return work

    def add(self, registration: Registration) -> None:
        """Add a reaction.

        Raises:
            ValueError: another reaction has the name.
        """
        if registration.name in self.by_name:
            raise ValueError(f"two reactions have the name {registration.name}")
        self.by_name[registration.name] = registration


def _kind(react: React) -> type[Event]:
    return get_args(next(iter(get_type_hints(react).values())))[0]
