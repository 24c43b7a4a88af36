"""The client of a request, as the services see it."""

from dataclasses import dataclass

from contracts.messages import Actor, Command, Query
from runtime.bus import Bus
from runtime.envelope import Envelope

from gateway.auth.tokens import Token


@dataclass(frozen=True)
class Anyone:
    """A client, signed in or not; asks services for what it wants."""

    bus: Bus
    request_id: str

    @property
    def actor(self) -> Actor | None:
        """On whose behalf services are asked."""
        return None

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        """Send a command or a query on the client's behalf. Raises as `Bus.ask` does."""
        return await self.bus.ask(message, Envelope.begin(correlation_id=self.request_id, actor=self.actor))


@dataclass(frozen=True)
class User(Anyone):
    """A client with a valid access token."""

    token: Token

    @property
    def actor(self) -> Actor:
        """The account that the token was given to."""
        return self.token.actor
