"""The script in a prompt: `[[simulate {"turns": [...]}]]`."""

import json
import re

from pydantic import ValidationError

from simulator.script import Script, Turn, places

OPENING = re.compile(r"\[\[simulate\s+")
CLOSING = re.compile(r"\s*\]\]")


class WrongScript(Exception):
    """The prompt carries a script that cannot be played; the message says where it is wrong."""


def scripted(words: str, *turns: Turn) -> str:
    """Write a prompt that says `words` and carries a script of `turns`."""
    return f"{words} [[simulate {Script(turns=list(turns)).model_dump_json(exclude_unset=True)}]]"


def find(text: str) -> Script | None:
    """Give the script in `text`, if there is one.

    Raises:
        WrongScript: it is no JSON, or not a script.
    """
    if not (opening := OPENING.search(text)):
        return None
    value, _ = _decode(text, opening.end())
    try:
        return Script.model_validate(value)
    except ValidationError as error:
        raise WrongScript(f"wrong script: {places(error)}") from None


def without_script(text: str) -> str:
    """Give `text` as a reader sees it; a script that is no JSON stays."""
    if not (opening := OPENING.search(text)):
        return text
    try:
        _, end = _decode(text, opening.end())
    except WrongScript:
        return text
    return (text[: opening.start()] + text[end:]).strip()


def _decode(text: str, start: int) -> tuple[object, int]:
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise WrongScript(f"wrong script: {error.msg} at character {error.pos - start} of it") from None
    except RecursionError:
        raise WrongScript("wrong script: too deep") from None
    if not (closing := CLOSING.match(text, end)):
        raise WrongScript("wrong script: `]]` must follow the JSON")
    return value, closing.end()
