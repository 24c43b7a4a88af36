"""PDF by WeasyPrint, which needs Pango from the system. Without Pango the other formats work."""

import logging
import re
import subprocess
import sys
from contextlib import AbstractContextManager, redirect_stdout, suppress
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, cast

from report.rendering.typefaces import SCHEME, FontHandler

VARIANT = "pdf/ua-1"
CHECK_TIMEOUT = 60.0
ERROR = re.compile(r"^\w+Error: (.*)$", re.MULTILINE)
"""The first line of an exception, such as an OSError for a shared library that is missing, below its traceback."""


def why_unavailable() -> str | None:
    """Return why PDF cannot be created here, or None if it can. The libraries may be installed between two calls.

    Only the module that loads the libraries of the system is run, in a process of its own: all of WeasyPrint takes a
    second to import, and what that module loads takes memory.
    """
    try:
        done = subprocess.run(  # noqa: S603  a module that is installed, no shell
            [sys.executable, "-P", str(_libraries())],
            capture_output=True,
            check=False,
            text=True,
            timeout=CHECK_TIMEOUT,
        )
    except (ImportError, OSError, subprocess.TimeoutExpired) as error:
        return f"WeasyPrint cannot be loaded: {error}"
    if done.returncode == 0:
        return None
    return f"WeasyPrint cannot be loaded: {(ERROR.findall(done.stderr) or [f'exit code {done.returncode}'])[-1]}"


def _libraries() -> Path:
    package = find_spec("weasyprint")
    if package is None:
        raise ImportError("it is not installed")
    return Path(cast(str, package.origin)).parent / "text" / "ffi.py"


def preload() -> None:
    """Import WeasyPrint if it can be imported; otherwise only PDF fails, not the reports of other formats."""
    with suppress(ImportError, OSError), _silence():
        import_module("weasyprint")


def _silence() -> AbstractContextManager[object]:
    """Discard what WeasyPrint prints among the lines of the log if a library is missing: its exception says it."""
    return redirect_stdout(StringIO())


def write_pdf(html: str, target: Path) -> int:
    """Write a page of HTML as a tagged PDF (PDF/UA-1), and return its number of pages.

    The page names the fonts of reports, and holds its logo as a `data:` address. Everything else that it or its images
    name is refused.
    """
    weasyprint: Any = import_module("weasyprint")
    urls: Any = import_module("weasyprint.urls")
    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    fetcher = urls.URLFetcher(allowed_protocols=["data", SCHEME], allow_redirects=False)
    fetcher.add_handler(FontHandler())
    document = weasyprint.HTML(string=html, url_fetcher=fetcher).render(pdf_variant=VARIANT)
    document.write_pdf(target, pdf_variant=VARIANT, pdf_tags=True)
    return len(document.pages)
