"""The client of a request, as the services see it."""

from dataclasses import dataclass

from contracts.messages import Actor, Command, Query
from runtime.bus import Bus
from runtime.envelope import Envelope

from gateway.auth.tokens import Token


@dataclass(frozen=True)
class Anyone:
    """A client, authenticated or not, that sends messages to services."""

    bus: Bus
    request_id: str

    @property
    def actor(self) -> Actor | None:
        """The account on whose behalf messages are sent; None if the client is not authenticated."""
        return None

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        """Send a command or a query on behalf of the client, and return the reply. Raises as `Bus.ask` does."""
        return await self.bus.ask(message, Envelope.begin(correlation_id=self.request_id, actor=self.actor))


@dataclass(frozen=True)
class User(Anyone):
    """A client with a valid access token."""

    token: Token

    @property
    def actor(self) -> Actor:
        """The account that the token was issued to."""
        return self.token.actor
