"""Refuses query parameters that the framework would ignore or reinterpret, such as misspelt filters."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Header, Path
from starlette.datastructures import QueryParams
from starlette.requests import Request

_INTEGER = re.compile(r"-?[0-9]+")
"""The framework would accept `1_0` and ` 10` as well."""


def check_parameters(request: Request, types: Mapping[str, Any]) -> None:
    """Check that the operation has every query parameter of the request, which is sent once, and that numbers are such.

    `types` are the types of the parameters by name.

    Raises:
        RequestValidationError: a parameter is not valid.
    """
    parameters = request.query_params
    if errors := [*unclear_parameters(parameters, types), *_no_integers(parameters, types)]:
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


def parameter_types(dependant: Dependant) -> dict[str, Any]:
    """Return the types of an operation's query parameters by name."""
    parameters = [(field.alias, field.field_info) for field in get_flat_params(dependant)]
    return {name: info.annotation for name, info in parameters if not isinstance(info, Path | Header)}


def _no_integers(parameters: QueryParams, types: Mapping[str, Any]) -> list[dict[str, Any]]:
    wrong = [name for name, text in parameters.items() if types.get(name) is int and not _INTEGER.fullmatch(text)]
    return [_error(name, "int_parsing") for name in wrong]


def _error(name: str, kind: str, text: str = "") -> dict[str, Any]:
    return {"loc": ("query", name), "type": kind, "msg": text}
