"""The program of the child processes that render: `runtime.children.pool` starts it and sends requests.

A request is `{"content": path, "format": "pdf", "output": path, "theme": path or null}`; the reply is
`{"pages": 12, "notes": []}`, or `{"error": "…"}` if the content is not valid.
"""

from functools import cache
from pathlib import Path
from typing import Any

from runtime.children.program import serve

from report.rendering.pdf import preload
from report.rendering.render import render
from report.rendering.theme import Theme
from report.rendering.theme_files import load_theme


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Render one report."""
    try:
        rendered = render(
            Path(request["content"]), request["format"], Path(request["output"]), _theme(request.get("theme"))
        )
    except ValueError as error:
        return {"error": str(error)}
    return {"pages": rendered.pages, "notes": rendered.notes}


@cache
def _theme(folder: str | None) -> Theme:
    return load_theme(Path(folder) if folder else None)


if __name__ == "__main__":
    preload()  # before the limits apply
    serve(work)
