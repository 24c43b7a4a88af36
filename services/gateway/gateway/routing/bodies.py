"""Routes that check the JSON body before the framework validates it."""

import json
from functools import cached_property
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from gateway.problems import EdgeCode, Problem
from gateway.problems.json_errors import MAX_VALUES, explained, find_violation, may_violate
from gateway.routing.api_route import KEYED_METHODS, SMALL_BODY_BYTES, ApiRoute


class _JsonRequest(Request):
    """A request whose body has been parsed."""

    parsed: Any

    async def json(self) -> Any:
        """Return the parsed body; called by the framework."""
        return self.parsed


class JsonRoute(ApiRoute):
    """Accepts only JSON bodies, in UTF-8, without NUL characters and lone surrogates, which cannot be stored.

    A route without a body refuses fields, unless it reads a body by itself, which it declares as `requestBody`.
    """

    max_values = MAX_VALUES

    async def checked(self, request: Request) -> Request:
        """Return a request whose body was checked, and parsed if the operation has one.

        Raises:
            Problem: the body is no JSON.
            RequestValidationError: it has forbidden content, or fields though the operation has no body.
        """
        if self.body_field is not None:
            return await self._with_body(request)
        if self._refuses_fields and _is_json(request):
            _refuse_fields(await request.body(), self.max_values)
        return request

    async def _with_body(self, request: Request) -> Request:
        checked = _JsonRequest(request.scope, request.receive)
        body = await checked.body()
        if body and not _is_json(request):
            raise Problem(EdgeCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
        checked.parsed = _parsed(body) if body else None
        _check(checked.parsed, body, self.max_values)
        return checked

    @cached_property
    def _refuses_fields(self) -> bool:
        reads_it = "requestBody" in (self.openapi_extra or {})
        return not reads_it and bool((self.methods or set[str]()) & KEYED_METHODS)


class SmallJsonRoute(JsonRoute):
    """A route without authentication: its bodies are small, since nobody is accountable for the cost of large ones."""

    max_body_bytes = SMALL_BODY_BYTES
    max_values = 100


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
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
    _check(value, body, max_values)
    if isinstance(value, dict) and value:
        fields = cast(dict[str, Any], value)
        raise RequestValidationError([{"loc": ("body", name), "msg": "", "type": "extra_forbidden"} for name in fields])


def _check(value: Any, body: bytes, max_values: int) -> None:
    if may_violate(body, max_values) and (violation := find_violation(value, max_values)):
        raise RequestValidationError([{**violation, "loc": ("body", *violation["loc"])}])
