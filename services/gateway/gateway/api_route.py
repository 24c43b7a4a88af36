"""The route class of the API: it documents the problems that follow from how an operation is declared."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from contracts.refusals import Code
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from gateway.problems import EdgeCode, documented

ANY_REQUEST = (EdgeCode.VALIDATION_ERROR, EdgeCode.RATE_LIMIT_EXCEEDED, EdgeCode.UNAVAILABLE)
"""Every operation refuses unknown query parameters, is counted, and depends on a service."""
REPEATABLE = (EdgeCode.IDEMPOTENCY_KEY_IN_USE, EdgeCode.IDEMPOTENCY_KEY_REUSED, Code.COMMAND_REPEATED)
METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ACCOUNT_PREFIX = "/api/v1/auth/"
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the request safe to repeat for 24 hours: a repetition with the same key gets the first "
    "response. A new, random text for each request, of at most 255 visible ASCII characters.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "examples": ["order-7d7b3f7e5b0c4f7c"],
    },
}
WITH_BODY = (EdgeCode.MALFORMED_JSON, EdgeCode.PAYLOAD_TOO_LARGE, EdgeCode.UNSUPPORTED_MEDIA_TYPE)


class Guard(SecurityBase):
    """A dependency that allows only some clients to call an operation."""

    @abstractmethod
    def problems(self) -> Iterator[EdgeCode]:
        """Return why it can refuse requests."""


class ApiRoute(APIRoute):
    """An operation of the API. Its declaration names only the problems of its domain.

    Those of authentication, of the caller's role, of the body and of its validation are derived from its dependencies,
    its methods and its parameters.
    """

    def __init__(self, *args: Any, **declared: Any) -> None:
        super().__init__(*args, **declared)
        responses = _merged(documented(*self._problems()), self.responses)
        if self.takes_key:
            extra = self.openapi_extra or {}
            self.openapi_extra = extra | {"parameters": [*extra.get("parameters", ()), IDEMPOTENCY_KEY]}
        self.responses = dict(sorted(responses.items(), key=lambda response: int(response[0])))

    @property
    def takes_key(self) -> bool:
        """Whether the operation takes an Idempotency-Key: all that change something, for a user or for an account."""
        guarded = any(isinstance(dependency.call, Guard) for dependency in self.dependant.dependencies)
        return bool((self.methods or set[str]()) & METHODS) and (guarded or self.path.startswith(ACCOUNT_PREFIX))

    def _problems(self) -> Iterator[Code | EdgeCode]:
        yield from ANY_REQUEST
        if self.takes_key:
            yield from REPEATABLE
        if self.body_field:
            yield from WITH_BODY
        for dependency in self.dependant.dependencies:
            if isinstance(dependency.call, Guard):
                yield from dependency.call.problems()


def _merged(one: dict[Any, Any], other: dict[Any, Any]) -> dict[Any, Any]:
    """Return the entries of both; where both have a dictionary under a key, the entries of both again."""
    shared: dict[Any, Any] = {
        key: _merged(one[key], other[key]) for key in one.keys() & other if isinstance(one[key], dict)
    }
    return one | other | shared
