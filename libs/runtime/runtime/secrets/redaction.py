"""Redaction of values that may be secrets, such as those of environment variables, in diagnostics."""

import json
import re
from collections.abc import Callable, Iterable

from contracts.secrets import MASK


def redactor(values: Iterable[str], words: Iterable[str] = ()) -> Callable[[str], str]:
    """Return a function that replaces these values in a text by `***`, and `words` where they are no part of a word.

    Longer values are replaced first, so that no part of one stays. The JSON and Python literals of a value are replaced
    too, and each line of a multi-line value, because a text may be one line of many.
    """
    found = {part for value in values for part in (value, *value.splitlines()) if part.strip()}
    written = {form: re.escape(form) for part in found for form in (part, json.dumps(part)[1:-1], repr(part)[1:-1])}
    written = {word: rf"(?<!\w){re.escape(word)}(?!\w)" for word in words} | written
    if not written:
        return str
    pattern = re.compile("|".join(written[form] for form in sorted(written, key=len, reverse=True)))
    return lambda text: pattern.sub(MASK, text)
