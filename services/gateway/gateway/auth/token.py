"""What a client presents to authenticate, after its verification: an access token or an API key."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from uuid import UUID

from contracts.identity.values import Scope
from contracts.messages import Actor
from runtime.api_key import PREFIX

from gateway.problems import EdgeCode, Problem

ALL_SCOPES: frozenset[Scope] = frozenset(("read", "write", "admin"))


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


def presented(headers: Mapping[str, str]) -> str | None:
    """Return the access token or API key in the headers of a request; None if they have neither."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    key = headers.get("x-api-key", "").strip()
    return key if is_api_key(key) else None


def is_api_key(text: str) -> bool:
    """Return whether the text has the form of an API key, rather than of an access token."""
    return text.startswith(PREFIX)


def refused(detail: str) -> Problem:
    """Return the problem of credentials that are not valid."""
    return Problem(EdgeCode.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
