"""Refuses query parameters that the framework would ignore or reinterpret, such as misspelt filters."""

import re
from collections.abc import Collection
from typing import Any

from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Header, Path
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection, Request

_INTEGER = re.compile(r"-?[0-9]+")
"""The framework would accept `1_0` and ` 10` as well."""


async def check_parameters(connection: HTTPConnection) -> None:
    """Check that the operation has every query parameter of the request, which is sent once, and that numbers are such.

    Raises:
        RequestValidationError: a parameter is not valid.
    """
    if not isinstance(connection, Request):  # `streams.socket` checks those of WebSockets, after the handshake
        return
    if parameters := connection.query_params:
        known = _types(connection.scope["route"])
        if errors := [*unclear_parameters(parameters, known), *_no_integers(parameters, known)]:
            raise RequestValidationError(errors)


def unclear_parameters(parameters: QueryParams, known: Collection[str]) -> list[dict[str, Any]]:
    """Return a validation error for each name that is not known or repeated; `a.<key>` stands for `a.` and any key."""
    unknown = [
        {"loc": ("query", name), "type": "extra_forbidden", "ctx": {"known": known}}
        for name in sorted(parameters.keys())
        if name not in known and "".join(name.partition(".")[:2]) + "<key>" not in known
    ]
    repeated = [name for name in sorted(parameters.keys()) if len(parameters.getlist(name)) > 1]
    return unknown + [_error(name, "repeated", "Must be sent only once") for name in repeated]


def _no_integers(parameters: QueryParams, types: dict[str, Any]) -> list[dict[str, Any]]:
    wrong = [name for name, text in parameters.items() if types.get(name) is int and not _INTEGER.fullmatch(text)]
    return [_error(name, "int_parsing") for name in wrong]


def _types(route: APIRoute) -> dict[str, Any]:
    parameters = [(field.alias, field.field_info) for field in get_flat_params(route.dependant)]
    return {name: info.annotation for name, info in parameters if not isinstance(info, Path | Header)}


def _error(name: str, kind: str, text: str = "") -> dict[str, Any]:
    return {"loc": ("query", name), "type": kind, "msg": text}
