"""Routes whose JSON bodies are looked at before they are validated."""

import json
from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from gateway.problems import EdgeCode, Problem

type Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """Takes JSON bodies alone, and no NUL character in them: no database can hold one."""

    def get_route_handler(self) -> Handle:
        """Check bodies where there is one to be had."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def checked(request: Request) -> Response:
            body = await request.body()
            if body and not _is_json(request.headers.get("content-type", "")):
                raise Problem(EdgeCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
            if rb"\u0000" in body and holds_nul(_parsed(body)):
                error = {"loc": ("body",), "msg": "Text may not hold NUL characters", "type": "nul_character"}
                raise RequestValidationError([error])
            return await handle(request)

        return checked


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None  # the framework says what is wrong with it


def holds_nul(value: Any) -> bool:
    """Whether there is a NUL character in what was parsed out of JSON."""
    unseen: list[Any] = [value]  # no recursion: the client chooses the depth
    while unseen:
        value = unseen.pop()
        if isinstance(value, str) and "\0" in value:
            return True
        if isinstance(value, dict):
            unseen += chain.from_iterable(cast(dict[str, Any], value).items())
        elif isinstance(value, list):
            unseen += cast(list[Any], value)
    return False
