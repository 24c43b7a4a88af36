"""The clients that are there. Those that hear what comes are found by the user or the session that they listen to."""

from collections import defaultdict

from contracts.session.deltas import TextDelta
from runtime.stream_reader import StreamMessage

from gateway.streams.items import Delta, Item, PublishedEvent, named
from gateway.streams.listener import Listener


class Audience:
    """Offers what is read from the bus to those whom it concerns."""

    def __init__(self) -> None:
        self.open = set[Listener]()
        self._by_key = defaultdict[str, set[Listener]](set)

    def __contains__(self, listener: Listener) -> bool:
        return listener in self._by_key.get(listener.key, ())

    def join(self, listener: Listener) -> None:
        """Offer a client what comes from now on."""
        self._by_key[listener.key].add(listener)

    def part(self, listener: Listener) -> None:
        """Offer a client nothing more."""
        self._by_key[listener.key].discard(listener)
        if not self._by_key[listener.key]:
            del self._by_key[listener.key]

    def lose(self, service: str) -> None:
        """Tell all clients that the bus has lost events of a service that it had."""
        for listener in self.open:
            listener.lose(service)

    def hear(self, message: StreamMessage) -> None:
        """Offer an event to the listeners of its owner and of its session."""
        *_, owner, resource = message.subject.split(".")
        name = named(message)
        if listeners := [listener for listener in self._about(owner, resource) if listener.wants(name)]:
            _offer(PublishedEvent.read(message), listeners)

    async def hear_delta(self, subject: str, body: bytes) -> None:
        """Offer the next words of an agent."""
        *_, owner, session = subject.split(".")
        if listeners := self._about(owner, session):
            _offer(Delta(session, TextDelta.model_validate_json(body)), [*listeners])

    def _about(self, *keys: str) -> set[Listener]:
        return set[Listener]().union(*(self._by_key.get(key, ()) for key in keys))


def _offer(item: Item, listeners: list[Listener]) -> None:
    for listener in listeners:
        listener.offer(item)
