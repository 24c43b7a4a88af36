"""What an agent says about itself, without the values of its variables: they may be secrets."""

import json
import re
from collections.abc import Callable, Iterable

from contracts.secrets import MASK


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """Give what replaces these values in a text by `***`, the longest first; also as JSON and Python write them.

    A text may be one line of many, so a value of many lines is replaced line by line too.
    """
    found = {part for value in values for part in (value, *value.splitlines()) if part.strip()}
    written = {form for part in found for form in (part, json.dumps(part)[1:-1], repr(part)[1:-1])}
    if not written:
        return str
    pattern = re.compile("|".join(map(re.escape, sorted(written, key=len, reverse=True))))
    return lambda text: pattern.sub(MASK, text)
