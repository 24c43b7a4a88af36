"""The program of the child processes that render. It imports everything before the first request."""

import traceback
from functools import cache
from pathlib import Path
from typing import Any

from runtime.child_program import serve

from report.rendering.render import render
from report.rendering.theme import Theme, load_theme


@cache
def _theme(folder: str | None) -> Theme:
    return load_theme(Path(folder) if folder else None)


def answer(request: Any) -> Any:
    """Return the number of pages and the notes of a rendered report; None if it failed, for a reason that is logged."""
    content_file, format_, output_file, theme = request
    try:
        rendered = render(Path(content_file), format_, Path(output_file), _theme(theme))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  whatever content causes, the process can go on
        traceback.print_exc()
        return None
    return [rendered.pages, rendered.notes]


if __name__ == "__main__":
    serve(answer)
