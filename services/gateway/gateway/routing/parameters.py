"""Refuses unknown query parameters: a misspelt filter must not be ignored."""

from collections.abc import Collection, Iterable
from typing import Any

from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection, Request

from gateway.routing.admission import authorize


async def refuse_unknown(connection: HTTPConnection) -> None:
    """Check that the operation has every query parameter of the request.

    Raises:
        Problem: the request may not call the operation, whatever its parameters are.
        RequestValidationError: the operation does not have all of the parameters.
    """
    if not isinstance(connection, Request):  # `streams.socket` checks those of WebSockets, after the handshake
        return
    if names := connection.query_params.keys():
        route = connection.scope["route"]
        if errors := unknown_parameters(names, _parameters(route)):
            await authorize(connection, route)
            raise RequestValidationError(errors)


def unknown_parameters(names: Iterable[str], known: Collection[str]) -> list[dict[str, Any]]:
    """Return a validation error for each of the names that is not known; `a.<key>` stands for `a.` and any key."""
    return [
        {"loc": ("query", name), "type": "extra_forbidden", "ctx": {"known": known}}
        for name in sorted(names)
        if name not in known and "".join(name.partition(".")[:2]) + "<key>" not in known
    ]


def _parameters(route: APIRoute) -> set[str]:
    # Parameters in the path and in headers are among them, which is harmless: no query parameter has the same name.
    return {field.alias for field in get_flat_params(route.dependant)}
