"""Verified credentials of a client: an access token or an API key."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from uuid import UUID

from contracts.identity.values import Scope
from contracts.messages import Actor, Credential
from runtime.secrets.api_key import PREFIX
from starlette.requests import HTTPConnection

from gateway.problems import EdgeCode, Problem

ALL_SCOPES: frozenset[Scope] = frozenset(("read", "write", "admin"))
AUTHORIZATION, API_KEY = "authorization", "x-api-key"
"""The headers that credentials are sent in."""
SUBPROTOCOL_PREFIX = "bearer."
"""The beginning of the subprotocol with the access token or API key of a WebSocket."""
CLIENT = "anyone"
"""What the scope of a request holds the client under, as it is without authentication: an `Anyone`."""
ACTS_FOR_ACCOUNT = "acts_for_account"
"""Is in the scope of a request whose route acts for the account that the client has authenticated as."""


@dataclass(frozen=True, slots=True)
class Token:
    """The claims of a verified access token or API key.

    `family` is the token family, or the id of the API key. `key_id` is the signing key of an access token, and None for
    an API key. `reread_at` is the time of the monotonic clock from which on it has to be verified again.
    """

    actor: Actor
    family: UUID
    expires_at: float
    key_id: str | None
    scopes: frozenset[Scope] = ALL_SCOPES
    reread_at: float = inf

    @property
    def is_api_key(self) -> bool:
        """Whether it is an API key, which can do less than a login."""
        return self.key_id is None

    @property
    def credential(self) -> Credential:
        """The login or the API key, for the audit log."""
        return Credential(kind="api_key" if self.is_api_key else "login", id=self.family)


def presented(connection: HTTPConnection) -> str | None:
    """Return the access token or API key of a request; None if it has neither.

    Browsers cannot set headers of a WebSocket, so it may also have one as a subprotocol or in its query string.

    Raises:
        Problem: a header is repeated, or several different ones are sent: a proxy might have checked the other one.
    """
    headers = connection.headers
    scheme, _, credentials = headers.get(AUTHORIZATION, "").partition(" ")
    token = credentials.strip() if scheme.lower() == "bearer" else ""
    key = headers.get(API_KEY, "").strip()
    found = {text for text in (token, key if is_api_key(key) else "", *_sent_by_browser(connection)) if text}
    if len(found) > 1 or any(len(headers.getlist(name)) > 1 for name in (AUTHORIZATION, API_KEY)):
        raise refused("The request has several access tokens or API keys. Send one.")
    return found.pop() if found else None


def _sent_by_browser(connection: HTTPConnection) -> Iterator[str]:
    if connection.scope["type"] == "websocket":
        names: list[str] = connection.scope["subprotocols"]
        yield from (name.removeprefix(SUBPROTOCOL_PREFIX) for name in names if name.startswith(SUBPROTOCOL_PREFIX))
        yield from connection.query_params.getlist("token")


def is_api_key(text: str) -> bool:
    """Return whether the text has the form of an API key, rather than of an access token."""
    return text.startswith(PREFIX)


def refused(detail: str) -> Problem:
    """Return the problem of credentials that are not valid."""
    return Problem(EdgeCode.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
