"""The client of a request, as the services see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from contracts.files import FilePrecondition
from contracts.identity.values import Scope
from contracts.messages import Actor, Command, Credential, Message, Query
from runtime.bus import Bus
from runtime.bus.envelope import Envelope

from gateway import ids
from gateway.clients.auth.token import Token
from gateway.problems import EdgeCode, Problem
from gateway.routing import versions

DENIED_SCOPES: Mapping[str, Sequence[Scope]] = {"admin": (), "user": ("admin",), "viewer": ("admin", "write")}
"""Scopes that a role lacks, whatever the credentials."""


@dataclass(frozen=True)
class Anyone:
    """A client, authenticated or not, that sends messages to services from a network address."""

    bus: Bus
    request_id: str
    address: str | None = field(default=None, kw_only=True)

    @property
    def actor(self) -> Actor | None:
        """The account on whose behalf messages are sent; None if the client is not authenticated."""
        return None

    @property
    def credential(self) -> Credential | None:
        """Credentials of the client."""
        return None

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        """Send a command or a query on behalf of the client, and return the reply. Raises as `Bus.ask` does."""
        is_command = isinstance(message, Command)
        tracked = versions.current()
        envelope = Envelope.begin(
            correlation_id=self.request_id,
            actor=self.actor,
            client_address=self.address,
            credential=self.credential,
            message_id=ids.message_id(message) if is_command else None,
        )
        expected = tracked.take_expected() if is_command else ()
        if expected or tracked.wanted:
            envelope = replace(envelope, expected_versions=expected, wants_version=tracked.wanted)
        answer = await self.bus.request(_conditional(message, tracked.file), envelope)
        tracked.read, tracked.owner = answer.version, answer.owner or tracked.owner
        return answer.result


def _conditional[M: Message](message: M, precondition: FilePrecondition | None) -> M:
    if precondition is None or not isinstance(message, FilePrecondition):
        return message
    return message.model_copy(update=dict(precondition))


@dataclass(frozen=True)
class User(Anyone):
    """A client with a valid access token or API key."""

    token: Token

    @property
    def actor(self) -> Actor:
        """The account that the token was issued to."""
        return self.token.actor

    @property
    def credential(self) -> Credential:
        """The login or the API key."""
        return self.token.credential

    @property
    def scopes(self) -> list[Scope]:
        """Scopes of the client: those of its credentials, as far as its role allows them."""
        return sorted(self.token.scopes - {*DENIED_SCOPES[self.actor.role]})

    def check(self, scope: Scope, *, viewers_write: bool = False) -> None:
        """Check that the client may do what needs this scope.

        Raises:
            Problem: FORBIDDEN, the API key lacks the scope, or the role does not allow it.
        """
        if scope not in self.token.scopes:
            raise Problem(EdgeCode.FORBIDDEN, f"The API key does not have the scope `{scope}`.")
        if scope == "admin" and self.actor.role != "admin":
            raise Problem(EdgeCode.FORBIDDEN, "Only accounts with the role `admin` may do this.")
        if scope == "write" and self.actor.role == "viewer" and not viewers_write:
            raise Problem(EdgeCode.FORBIDDEN, "Accounts with the role `viewer` may only read.")
