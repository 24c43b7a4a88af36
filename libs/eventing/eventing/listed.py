"""The reactions of a service, as it lists them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast, get_args, get_type_hints

from contracts.messages import Event

from eventing import wire
from eventing.consumers import durable
from eventing.leases import Unfinished

type React = Callable[[Any, Any], Awaitable[None]]
type AtOnce = int | Callable[[Any], int]
"""How many; or what tells so, given the service's tools."""


@dataclass(frozen=True)
class Listed:
    """A reaction and the fact it is for. `lost` is called before that is dead-lettered, `unfinished` finds its work."""

    name: str
    fact: type[Event]
    react: React
    at_once: AtOnce
    lost: React | None = None
    unfinished: Unfinished | None = None

    def slots(self, tools: Any) -> int:
        """Give on how many facts a replica with these tools acts at the same time."""
        return self.at_once if isinstance(self.at_once, int) else self.at_once(tools)


@dataclass
class Reactions:
    """The reactions of a service. A reaction's first parameter says which fact it is for: `Recorded[RunRequested]`."""

    shared: list[Listed] = field(default_factory=list[Listed])
    broadcast: list[Listed] = field(default_factory=list[Listed])

    @classmethod
    def together(cls, *parts: "Reactions") -> "Reactions":
        """Give the reactions of all the parts of a room."""
        return cls(
            [listed for part in parts for listed in part.shared],
            [listed for part in parts for listed in part.broadcast],
        )

    def once[R: React](
        self, *, at_once: AtOnce = 16, lost: React | None = None, unfinished: Unfinished | None = None
    ) -> Callable[[R], R]:
        """Let one replica act on each fact; a replica acts on up to `at_once` facts at the same time.

        A fact that is given up is `lost` first, which is tried again until it succeeds. What `unfinished` finds is
        acted on even if the bus has dropped the fact; a fact whose work it does not find is passed over. A new reaction
        gets the service's own facts from when it is there; those of another service from the oldest in the stream.
        """

        def register(react: R) -> R:
            self.shared.append(_listed(react, at_once, lost, unfinished))
            return react

        return register

    def work_of(self, service: str) -> dict[type[Event], str]:
        """Return the service's own kinds of event that one replica acts on, each with the name of its consumer.

        Raises:
            ValueError: two reactions are for one kind: a message of a work stream has one consumer.
        """
        own = [listed for listed in self.shared if wire.service_of(listed.fact) == service]
        work = {listed.fact: durable(service, listed.name) for listed in own}
        if len(work) < len(own):
            raise ValueError(f"two shared reactions of {service} are for one kind of event")
        return work

    def everywhere[R: React](self, react: R) -> R:
        """Let every replica hear each fact."""
        self.broadcast.append(_listed(react, 1))
        return react


def _listed(react: React, at_once: AtOnce, lost: React | None = None, unfinished: Unfinished | None = None) -> Listed:
    hint = next(iter(get_type_hints(react).values()))
    return Listed(cast(Any, react).__name__, get_args(hint)[0], react, at_once, lost, unfinished)
