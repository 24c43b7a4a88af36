"""Reading of the content file, whose strings come from agents and tools."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from report.content import ReportContent
from report.rendering.text import readable, storable

MAX_DEPTH = 40
"""Of nested values. The content model itself needs 10."""


def load(file: Path, to_show: bool) -> ReportContent:
    """Return the content in a file, with strings that are safe to store, or also safe to show.

    Raises:
        ValueError: the file has no valid content.
    """
    try:
        value = json.loads(file.read_bytes())
    except RecursionError:
        raise ValueError("The content is nested too deeply.") from None
    return ReportContent.model_validate(_cleaned(value, readable if to_show else storable, MAX_DEPTH))


def _cleaned(value: Any, clean: Callable[[str], str], depth: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list | dict) and depth == 0:
        return "… (nested deeper)"
    if isinstance(value, list):
        return [_cleaned(item, clean, depth - 1) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item, clean, depth - 1) for key, item in cast(dict[str, Any], value).items()}
    return value
