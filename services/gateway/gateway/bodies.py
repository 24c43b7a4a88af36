"""Routes whose callers and JSON bodies are looked at before anything is made of them."""

import json
from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.admission import let_in
from gateway.api_route import ApiRoute
from gateway.problems import EdgeCode, Problem

type Handle = Callable[[Request], Coroutine[Any, Any, Response]]

MAX_VALUES = 20_000
"""Names and values that a JSON body may hold: each may be an error, and to describe that costs more than to read it."""


class _JsonRequest(Request):
    """A request whose body was parsed."""

    parsed: Any

    async def json(self) -> Any:
        """Return what was parsed; the framework asks for it."""
        return self.parsed


class JsonRoute(ApiRoute):
    """Takes JSON bodies alone, in UTF-8, and no NUL character in them: no database can hold one.

    Who may not call the route is told so before the body is read.
    """

    largest: int | None = None
    """Bytes that a body may have, where that is less than anywhere."""
    most = MAX_VALUES

    def get_route_handler(self) -> Handle:
        """Check bodies where there is one to be had."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def checked(request: Request) -> Response:
            await let_in(request, self)
            request = _JsonRequest(request.scope, request.receive)
            body = await request.body()
            if self.largest is not None and len(body) > self.largest:
                raise HTTPException(413)
            if body and not _is_json(request.headers.get("content-type", "")):
                raise Problem(EdgeCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
            request.parsed = _parsed(body) if body else None
            _check(request.parsed, self.most)
            return await handle(request)

        return checked


class SmallJsonRoute(JsonRoute):
    """For those that anyone may call: nobody is known who would answer for what a large body costs."""

    largest = 32 * 1024
    most = 100


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _parsed(body: bytes) -> Any:
    try:
        # Decoded here: the parser would take UTF-16 and UTF-32 too, where nobody looked for NUL characters.
        return json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Problem(EdgeCode.MALFORMED_JSON, "The body must be UTF-8.") from None
    except (ValueError, RecursionError):
        raise Problem(EdgeCode.MALFORMED_JSON, "The body is not valid JSON.") from None


def _check(value: Any, most: int) -> None:
    if reason := unfit(value, most):
        kind, message = reason
        raise RequestValidationError([{"loc": ("body",), "msg": message, "type": kind}])


def unfit(value: Any, most: int = MAX_VALUES) -> tuple[str, str] | None:
    """Return why nobody may send what was parsed out of JSON, as a word and a sentence; None when they may."""
    unseen, seen = [value], 0  # no recursion: the client chooses the depth
    while unseen:
        value = unseen.pop()
        if isinstance(value, dict):
            unseen += chain.from_iterable(cast(dict[str, Any], value).items())
        elif isinstance(value, list):
            unseen += cast(list[Any], value)
        elif isinstance(value, str) and "\0" in value:
            return "nul_character", "Text may not hold NUL characters"
        seen += 1
        if seen + len(unseen) > most:
            return "too_many_values", f"There may be no more than {most} names and values"
    return None
