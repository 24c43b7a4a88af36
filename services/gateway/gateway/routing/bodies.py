"""Routes that check the caller and the JSON body before the framework validates the body."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive

from gateway.problems import EdgeCode, Problem
from gateway.problems.json_errors import MAX_VALUES, explained, find_violation
from gateway.routing.admission import authorize
from gateway.routing.api_route import KEYED_METHODS, ApiRoute

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]

SMALL_BODY_BYTES = 32 * 1024
"""The limit of bodies of requests without authentication."""


class _JsonRequest(Request):
    """A request whose body has been parsed."""

    parsed: Any

    async def json(self) -> Any:
        """Return the parsed body; called by the framework."""
        return self.parsed


class JsonRoute(ApiRoute):
    """Accepts only JSON bodies, in UTF-8, without NUL characters and lone surrogates, which cannot be stored.

    A route without a body refuses fields, unless it reads a body by itself, which it declares as `requestBody`.

    The caller is authorized before the body is read, so that strangers cannot make the gateway read large bodies.
    """

    max_bytes: int | None = None
    """The limit of a body where it is lower than the general one, `edge.MAX_BODY_BYTES`."""
    max_values = MAX_VALUES

    def get_route_handler(self) -> Handler:
        """Return the handler of the framework, after the checks if the route has a JSON body, or has none."""
        handle = super().get_route_handler()
        if self.body_field is not None:
            return self._with_body(handle)
        reads_it = "requestBody" in (self.openapi_extra or {})
        return handle if reads_it or not (self.methods or set[str]()) & KEYED_METHODS else self._without_body(handle)

    def _with_body(self, handle: Handler) -> Handler:
        async def checked(request: Request) -> Response:
            request = await self._admitted(request)
            body = await request.body()
            if body and not _is_json(request.headers.get("content-type", "")):
                raise Problem(EdgeCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
            request.parsed = _parsed(body) if body else None
            _check(request.parsed, self.max_values)
            return await handle(request)

        return checked

    def _without_body(self, handle: Handler) -> Handler:
        async def checked(request: Request) -> Response:
            if _is_json(request.headers.get("content-type", "")):
                request = await self._admitted(request)
                _refuse_fields(await request.body(), self.max_values)
            return await handle(request)

        return checked

    async def _admitted(self, request: Request) -> "_JsonRequest":
        await authorize(request, self)
        receive = request.receive if self.max_bytes is None else limited(request.receive, self.max_bytes)
        return _JsonRequest(request.scope, receive)


class SmallJsonRoute(JsonRoute):
    """A route without authentication: its bodies are small, since nobody is accountable for the cost of large ones."""

    max_bytes = SMALL_BODY_BYTES
    max_values = 100


def limited(receive: Receive, max_bytes: int) -> Receive:
    """Return a `receive` that raises `too_large` as soon as a body has more bytes, whatever length was announced."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise too_large(max_bytes)
        return message

    return limited


def too_large(limit: int) -> HTTPException:
    """Return the error of a body that is larger than `limit` bytes."""
    return HTTPException(413, f"The body is larger than the limit of {limit} bytes.")


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _parsed(body: bytes) -> Any:
    try:
        # Decoded here: the parser would accept UTF-16 and UTF-32 too.
        return json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Problem(EdgeCode.MALFORMED_JSON, "The body must be encoded in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Problem(EdgeCode.MALFORMED_JSON, f"The body is not valid JSON: {explained(error)}.") from None
    except RecursionError:
        raise Problem(EdgeCode.MALFORMED_JSON, "The body is nested too deeply.") from None
    except ValueError:
        raise Problem(EdgeCode.MALFORMED_JSON, "The body has a number with too many digits.") from None


def _refuse_fields(body: bytes, max_values: int) -> None:
    """Refuse all fields; an empty object, which many clients send, and what has no fields are ignored."""
    try:
        value = _parsed(body)
    except Problem:
        return
    _check(value, max_values)
    if isinstance(value, dict) and value:
        fields = cast(dict[str, Any], value)
        raise RequestValidationError([{"loc": ("body", name), "msg": "", "type": "extra_forbidden"} for name in fields])


def _check(value: Any, max_values: int) -> None:
    if violation := find_violation(value, max_values):
        raise RequestValidationError([{**violation, "loc": ("body", *violation["loc"])}])
