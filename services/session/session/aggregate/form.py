"""The forms of elicitations: flat JSON schemas, as the MCP specification restricts them."""

from collections.abc import Mapping
from typing import Any, cast

from contracts.refusals import Code, Refusal
from contracts.session.values import Json

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
}


def check_content(form: Mapping[str, Any] | None, content: Mapping[str, Json] | None) -> None:
    """Check that `content` fills in `form`: all required fields, no others, with values of their types.

    The server that gets the content checks formats and ranges itself.

    Raises:
        Refusal: FORM_INVALID.
    """
    fields, required, content = (form or {}).get("properties"), (form or {}).get("required"), content or {}
    fields = cast(dict[str, Any], fields) if isinstance(fields, dict) else {}
    for name in cast(list[str], required) if isinstance(required, list) else []:
        if name not in content:
            raise Refusal(Code.FORM_INVALID, f"content: the field {name!r} is required.")
    for name, value in content.items():
        if name not in fields:
            raise Refusal(Code.FORM_INVALID, f"content: the form has no field {name!r}.")
        if not _fits(fields[name], value):
            raise Refusal(Code.FORM_INVALID, f"content: the value of {name!r} does not fit the form.")


def _fits(schema: Any, value: Json) -> bool:
    rules = cast(dict[str, Any], schema) if isinstance(schema, dict) else {}
    if isinstance(choices := rules.get("enum"), list):
        return value in cast(list[Json], choices)
    if types := _TYPES.get(str(rules.get("type"))):
        return isinstance(value, types) and (bool in types or not isinstance(value, bool))  # True is an int in Python
    return True
