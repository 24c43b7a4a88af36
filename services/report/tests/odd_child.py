"""A program of child processes that render as the title of the content says."""

import json
import os
import time
from pathlib import Path
from typing import Any

from runtime.children.program import serve


def _result(title: str) -> str:
    if title == "slow":
        time.sleep(0.5)  # longer than its CPU time
    if title == "caches":
        return " ".join(os.environ[name] for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME"))  # noqa: TID251
    return title


def answer(request: Any) -> Any:
    """Write a file, or misuse the process."""
    title = json.loads(Path(request["content"]).read_bytes())["title"]
    match title:
        case "hang":
            time.sleep(60)
        case "spin":
            while True:
                pass
        case "eat":
            return {"notes": [str(len(b"x" * 2**31))]}
        case "crash":
            os.abort()
        case "fail":
            return {"error": "not valid"}
        case _:
            Path(request["output"]).write_text(_result(title))
    return {"pages": 1, "notes": ["a note"]}


if __name__ == "__main__":
    serve(answer)
