"""Messages of validation errors, written for API clients: pydantic's own texts speak of Python, and show patterns."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticCustomError, core_schema

type Error = Mapping[str, Any]
"""A validation error in the form of `pydantic_core.ErrorDetails`."""

MAX_NAME_LENGTH = 100
INVALID = "This value is not valid"
BUILT_IN = frozenset(get_args(core_schema.ErrorType))
"""The error types of pydantic itself; the messages of all other types were written in this project."""

MESSAGES = {
    "bool_parsing": "Must be true or false",
    "bool_type": "Must be true or false",
    "dict_type": "Must be a JSON object",
    "finite_number": "Must be a finite number",
    "float_parsing": "Must be a number",
    "float_type": "Must be a number",
    "greater_than": "Must be greater than {gt}",
    "greater_than_equal": "Must be at least {ge}",
    "int_from_float": "Must be a whole number",
    "int_parsing": "Must be a whole number",
    "int_parsing_size": "Must be a smaller number",
    "int_type": "Must be a whole number",
    "less_than": "Must be less than {lt}",
    "less_than_equal": "Must be at most {le}",
    "list_type": "Must be an array",
    "missing": "This field is required",
    "model_attributes_type": "Must be a JSON object",
    "model_type": "Must be a JSON object",
    "string_too_long": "Must have at most {max_length} characters",
    "string_too_short": "Must have at least {min_length} characters",
    "string_type": "Must be a string",
    "string_unicode": "Must be valid Unicode text",
    "too_long": "Must have at most {max_length} items",
    "too_short": "Must have at least {min_length} items",
    "uuid_parsing": "Must be a UUID",
    "uuid_type": "Must be a UUID",
}


def message(error: Error) -> str:
    """Return what is wrong with a value, as a sentence without its full stop."""
    kind, context = error["type"], error.get("ctx", {})
    if f"string_{kind}" in MESSAGES and isinstance(error.get("input"), str):
        kind = f"string_{kind}"  # the length of a named type of texts is checked like that of a list
    match kind:
        case "string_too_short" | "too_short" if context["min_length"] == 1:
            return "Must not be empty"
        case "extra_forbidden":
            return _unknown(str(error["loc"][-1]), "parameter" if error["loc"][0] == "query" else "field", context)
        case "literal_error" | "enum":
            return f"Must be one of: {', '.join(re.findall(r"'([^']*)'", context['expected']))}"
        case "string_pattern_mismatch" if "pattern" not in context:  # ours: see `mismatch`
            return error["msg"]
        case "value_error":
            text = error["msg"].removeprefix("Value error, ").rstrip(".")
            return text[:1].upper() + text[1:]
        case _ if kind in MESSAGES:
            return MESSAGES[kind].format_map(context)
        case _:
            return INVALID if kind in BUILT_IN else error["msg"]


def location(error: Error) -> tuple[str | int, ...]:
    """Return the path of the wrong value: of the field that an error about several fields names."""
    field = error.get("ctx", {}).get("field")
    return (*error["loc"], field) if isinstance(field, str) else tuple(error["loc"])


def field_error(field: str, text: str) -> PydanticCustomError:
    """Return the error of a field that does not fit the others, for validators of whole models."""
    return PydanticCustomError("unfitting_field", "{text}", {"field": field, "text": text})


def mismatch(allowed: str) -> PydanticCustomError:
    """Return the error of a text that has not the required form; `allowed` says in words what that is."""
    return PydanticCustomError("string_pattern_mismatch", "{allowed}", {"allowed": allowed})


def with_known_fields(errors: Iterable[Error], model: Any, start: int = 0) -> list[Error]:
    """Add to each error about an unknown field the fields that are known there, so that one can be suggested.

    The location of an error begins, after `start` parts, at a field of `model`; anything but a model knows no fields.
    """
    return [
        {**error, "ctx": {"known": _fields_at(model, error["loc"][start:-1])}}
        if error["type"] == "extra_forbidden" and "ctx" not in error
        else error
        for error in errors
    ]


def _unknown(name: str, noun: str, context: Mapping[str, Any]) -> str:
    known: Collection[str] = context.get("known", ())
    nearest = get_close_matches(name[:MAX_NAME_LENGTH], known, n=1)
    unknown = "Unknown query parameter" if noun == "parameter" else f"Unknown {noun}"
    if nearest:
        return f"{unknown} (did you mean `{nearest[0]}`?)"
    return f"{unknown}; there are: {', '.join(sorted(known))}" if known and noun == "parameter" else unknown


def _fields_at(annotation: Any, path: Sequence[str | int]) -> list[str]:
    models = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]
    model = next((each for each in models if issubclass(each, BaseModel)), None)
    if model is None:
        return []
    if not path:
        return [field.alias or name for name, field in model.model_fields.items()]
    field = model.model_fields.get(str(path[0]))
    return _fields_at(field.annotation, path[1:]) if field else []
