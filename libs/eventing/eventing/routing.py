"""Commands and queries to whichever service they are for: the first word of the subject behind its kind names it."""

from contracts.messages import Command, Query
from runtime.bus import Bus, Client
from runtime.envelope import Envelope

from eventing import wire
from eventing.actors import Actors
from eventing.dispatch import Dispatcher


class Router[T]:
    """Reaches the own service directly, through its dispatcher, and other services over the bus, with a deadline."""

    def __init__(self, service: str, dispatcher: Dispatcher[T], client: Client) -> None:
        self.service, self.dispatcher, self.bus = service, dispatcher, Bus(client)
        self.actors = Actors(self.ask)

    def is_own(self, message: Command[object] | Query[object]) -> bool:
        """Return whether the service handles this message itself."""
        return wire.service_of(type(message)) == self.service

    async def send[R](self, command: Command[R], envelope: Envelope) -> R:
        """Send a command, and return its result. Raises as `Dispatcher.send` or `Bus.ask` does."""
        if self.is_own(command):
            return await self.dispatcher.send(command, envelope)
        return await self.bus.ask(command, envelope)

    async def ask[R](self, query: Query[R], envelope: Envelope) -> R:
        """Ask a query, and return its answer. Raises as `Dispatcher.ask` or `Bus.ask` does."""
        if self.is_own(query):
            return await self.dispatcher.ask(query, envelope)
        return await self.bus.ask(query, envelope)
