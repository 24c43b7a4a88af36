"""Query parameters that an operation does not have: a misspelt filter must not pass for none."""

from typing import Any

from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection, Request

from gateway.admission import let_in


async def only_known(connection: HTTPConnection) -> None:
    """Make sure that the operation has every query parameter of the request.

    Raises:
        Problem: the request may not call the operation, whatever its parameters are.
        RequestValidationError: it does not have all of them.
    """
    named = connection.query_params.keys()
    if not isinstance(connection, Request):  # sockets are refused after they are accepted: browsers tell no status
        return
    route = connection.scope["route"]
    if named and (unknown := sorted(named - _known(route))):
        await let_in(connection, route)
        raise RequestValidationError(list(map(unknown_parameter, unknown)))


def unknown_parameter(name: str) -> dict[str, Any]:
    """Return the validation error that a parameter of this name is."""
    return {"loc": ("query", name), "msg": "Unknown query parameter", "type": "extra_forbidden"}


def _known(route: APIRoute) -> set[str]:
    # Those of paths and headers are among them, and do no harm: no query parameter has such a name.
    return {field.alias for field in get_flat_params(route.dependant)}
