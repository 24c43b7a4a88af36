"""The connected clients. Those that follow the live events are found by the user or the session that they follow."""

from collections import defaultdict

from contracts.session.deltas import TextDelta
from runtime.bus.stream_reader import StreamMessage

from gateway.streams.items import Delta, Item, PublishedEvent, event_name_of
from gateway.streams.listener import EVERYBODY, Listener


class Audience:
    """Hands what is read from the bus to the clients that it concerns."""

    def __init__(self) -> None:
        self.open = set[Listener]()
        self._by_key = defaultdict[str, set[Listener]](set)

    def __contains__(self, listener: Listener) -> bool:
        return listener in self._by_key.get(listener.key, ())

    def join(self, listener: Listener) -> None:
        """Hand the client all events from now on."""
        self._by_key[listener.key].add(listener)

    def leave(self, listener: Listener) -> None:
        """Stop handing events to the client."""
        self._by_key[listener.key].discard(listener)
        if not self._by_key[listener.key]:
            del self._by_key[listener.key]

    def report_loss(self, service: str) -> None:
        """Notify all clients that the bus has lost events of a service."""
        for listener in self.open:
            listener.report_loss(service)

    def publish(self, message: StreamMessage) -> None:
        """Hand an event to the clients that follow its owner, its session, or everybody."""
        *_, owner, resource = message.subject.split(".")
        name = event_name_of(message)
        if listeners := [listener for listener in self._following(owner, resource, EVERYBODY) if listener.wants(name)]:
            _offer(PublishedEvent.read(message), listeners)

    async def publish_delta(self, subject: str, body: bytes) -> None:
        """Hand a piece of an agent's text to the clients that follow its owner or its session."""
        *_, owner, session = subject.split(".")
        if listeners := self._following(owner, session, EVERYBODY):
            _offer(Delta(session, TextDelta.model_validate_json(body)), [*listeners])

    def _following(self, *keys: str) -> set[Listener]:
        return set[Listener]().union(*(self._by_key.get(key, ()) for key in keys))


def _offer(item: Item, listeners: list[Listener]) -> None:
    for listener in listeners:
        listener.offer(item)
