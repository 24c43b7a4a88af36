"""The key of a request, what it is compared by, and to whom it belongs."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from gateway.clients.auth.token import Token
from gateway.clients.client_address import client_address
from gateway.problems import EdgeCode, Problem
from gateway.routing.api_route import ACCOUNT_PREFIX, IDEMPOTENCY_KEY, KEYED_METHODS, MAX_KEY_LENGTH
from gateway.routing.prefer import preferred, prefers_events

HEADER: str = IDEMPOTENCY_KEY["name"]
MEMBER = "idempotency_key"
"""The name of the key in messages of WebSockets, and in the `_meta` of MCP messages."""
PREFIX = "/api/"
"""Where keys count with a token."""

_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}")
_BOUNDARY = re.compile(rb'^multipart/.*;\s*boundary="?([^";\s]{1,200})', re.IGNORECASE)
_NAMESPACE = UUID("0197a1f0-0000-7000-8000-00000000001d")


@dataclass(frozen=True)
class KeyedRequest:
    """A request with a key. `id` derives from user, method, path and key; `authenticated` says if there is an account.

    A response is replayed only to requests of the same `variant`; other ones are carried out again, with the same ids.
    """

    id: UUID
    user: str
    authenticated: bool
    path: str
    key: str = field(repr=False)
    variant: str

    @classmethod
    def of(cls, scope: Scope) -> "KeyedRequest | None":
        """Return the keyed request in a scope; None if it has no key, or if keys do not count for it.

        Raises:
            Problem: the key is not valid.
        """
        if scope["type"] != "http" or scope["method"] not in KEYED_METHODS or not scope["path"].startswith(PREFIX):
            return None
        if not (keys := Headers(scope=scope).getlist(HEADER)):
            return None
        if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
            raise _invalid("header", HEADER)
        if (user := _user(scope)) is None:
            return None
        id = uuid5(_NAMESPACE, "\n".join((user, scope["method"], scope["path"], keys[0])))
        return cls(id, user, isinstance(scope["authenticated"], Token), scope["path"], keys[0], _variant(scope))

    @classmethod
    def of_message(cls, token: Token, name: str, key: object) -> "KeyedRequest":
        """Return the keyed request in a message that is no HTTP request; `name` says what it asks for, and of what.

        Raises:
            Problem: the key is not valid.
        """
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise _invalid("message", MEMBER)
        user = str(token.actor.user_id)
        return cls(uuid5(_NAMESPACE, "\n".join((user, name, key))), user, True, name, key, "")

    def digest_of(self, content: object) -> str:
        """Return what the repetition of a message must have in common with the first one: its content, from JSON."""
        return hmac.new(self.key.encode(), json.dumps(content, sort_keys=True).encode(), hashlib.sha256).hexdigest()

    def digest(self, scope: Scope, body: Iterable[bytes]) -> str:
        """Return what a repetition must have in common with the first request, whose body consists of these chunks.

        Bodies may hold passwords, so that a plain hash would let readers of the bus guess them; the key is not stored.
        """
        content_type = Headers(scope=scope).get("content-type", "").encode("latin-1")
        boundary = _BOUNDARY.search(content_type)
        if boundary:  # clients choose another one for each request
            content_type = content_type.partition(b";")[0]
        digest = hmac.new(self.key.encode(), digestmod=hashlib.sha256)
        for part in (content_type, scope["query_string"]):
            digest.update(b"%d:%b" % (len(part), part))
        for chunk in _without(boundary[1], body) if boundary else body:
            digest.update(chunk)
        return digest.hexdigest()


def _without(boundary: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks without a boundary, which may lie across two of them."""
    rest = b""
    for chunk in chunks:
        rest = (rest + chunk).replace(boundary, b"")
        end = max(0, len(rest) - len(boundary) + 1)
        yield rest[:end]
        rest = rest[end:]
    yield rest


def _user(scope: Scope) -> str | None:
    match scope.get("authenticated"):
        case Token() as token:
            return str(token.actor.user_id)
        case _ if scope["path"].startswith(ACCOUNT_PREFIX):  # other paths without a token are verified otherwise
            return f"anonymous {client_address(HTTPConnection(scope)) or ''}"
        case _:
            return None


def _variant(scope: Scope) -> str:
    """Return the form in which the client wants the result, and what it may do; neither changes what is requested."""
    request, forms = Request(scope), list[str]()
    if prefers_events(request):
        forms.append("events")
    if preferred(request, "respond-async"):
        forms.append("async")
    match scope["authenticated"]:
        case Token() as token:
            return " ".join((token.actor.role, *sorted(token.scopes), "key" if token.is_api_key else "login", *forms))
        case _:
            return " ".join(forms)


def _invalid(place: str, name: str) -> Problem:
    message = f"Must be sent once, with 1 to {MAX_KEY_LENGTH} visible ASCII characters"
    error = {"loc": [place, name], "msg": message, "type": "invalid_key"}
    return Problem(EdgeCode.VALIDATION_ERROR, f"{name}: {message}.", errors=[error])
