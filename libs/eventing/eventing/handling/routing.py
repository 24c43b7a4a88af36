"""Sends commands and queries to the service that handles them, which the second word of their subject names."""

from contracts.messages import Command, Query
from runtime.bus import Bus, Client
from runtime.bus.envelope import Envelope

from eventing.actors import Actors
from eventing.bus import wire
from eventing.handling.dispatch import Dispatcher


class Router[T]:
    """Calls the dispatcher of its own service, and sends messages for other services over the bus, with a deadline."""

    def __init__(self, service: str, dispatcher: Dispatcher[T], client: Client) -> None:
        self.service, self.dispatcher, self.bus = service, dispatcher, Bus(client)
        self.actors = Actors(self.ask)

    def is_own(self, message: Command[object] | Query[object]) -> bool:
        """Return whether the service handles this message itself."""
        return wire.service_of(type(message)) == self.service

    async def send[R](self, command: Command[R], envelope: Envelope) -> R:
        """Send a command, and return its result. Raises as `Dispatcher.send` and `Bus.ask` do."""
        if self.is_own(command):
            return await self.dispatcher.send(command, envelope)
        return await self.bus.ask(command, envelope)

    async def ask[R](self, query: Query[R], envelope: Envelope) -> R:
        """Send a query, and return its answer. Raises as `Dispatcher.ask` and `Bus.ask` do."""
        if self.is_own(query):
            return await self.dispatcher.ask(query, envelope)
        return await self.bus.ask(query, envelope)
