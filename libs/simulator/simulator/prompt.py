"""Scripts in prompts: `[[simulate {"turns": [...]}]]`."""

import json
import re

from pydantic import ValidationError

from simulator.script import Script, Turn, describe_errors

OPENING = re.compile(r"\[\[simulate\s+")
CLOSING = re.compile(r"\s*\]\]")


class InvalidScript(Exception):
    """The script in a prompt is not valid. The message names the fields and the reasons."""


def scripted(text: str, *turns: Turn) -> str:
    """Return a prompt with `text` and a script of `turns`."""
    return f"{text} [[simulate {Script(turns=list(turns)).model_dump_json(exclude_unset=True)}]]"


def find_script(text: str) -> Script | None:
    """Return the script in `text`, or None if there is none.

    Raises:
        InvalidScript: it is not valid JSON, or not a valid script.
    """
    if not (opening := OPENING.search(text)):
        return None
    value, _ = _decode(text, opening.end())
    try:
        return Script.model_validate(value)
    except ValidationError as error:
        raise InvalidScript(f"invalid script: {describe_errors(error)}") from None


def without_script(text: str) -> str:
    """Return `text` without its script; one that is not valid JSON is kept."""
    if not (opening := OPENING.search(text)):
        return text
    try:
        _, end = _decode(text, opening.end())
    except InvalidScript:
        return text
    return (text[: opening.start()] + text[end:]).strip()


def _decode(text: str, start: int) -> tuple[object, int]:
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise InvalidScript(f"invalid script: {error.msg} at character {error.pos - start} of the script") from None
    except RecursionError:
        raise InvalidScript("invalid script: nested too deeply") from None
    if not (closing := CLOSING.match(text, end)):
        raise InvalidScript("invalid script: `]]` must follow the JSON")
    return value, closing.end()
