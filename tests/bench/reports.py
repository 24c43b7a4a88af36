"""Reports as PDF of 10, 200 and 2,000 messages, beside WeasyPrint alone on the same HTML, each in a process of its own.

`python -m tests.bench.reports SIDE CONTENT` is such a process.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from report.rendering.loading import load
from report.rendering.page import page
from report.rendering.pdf import preload, write_pdf
from report.rendering.reduction import reduced
from report.rendering.render import render
from report.rendering.theme_files import load_theme

from services.report.tests.sample_content import long_content
from tests.bench.report import Line
from tests.bench.stage import Stage

LENGTHS = ((10, 5), (200, 60), (2_000, 500))
"""Numbers of messages and of tool calls."""


async def measure(_stage: Stage) -> list[Line]:
    """Render each length as the service does, then its HTML alone."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return [await _line(messages, calls, Path(folder)) for messages, calls in LENGTHS]


async def _line(messages: int, calls: int, folder: Path) -> Line:
    file = folder / "content.json"
    file.write_text(json.dumps(long_content(messages, calls)))
    (ours, memory, pages), (alone, memory_alone, _) = [await _measured(side, file) for side in ("report", "weasyprint")]
    what = f"a PDF of {messages:,} messages, {calls:,} tool calls, {pages:.0f} pages; WeasyPrint alone"
    return Line(what, f"{ours:.1f} s, {memory:.0f} MB", f"{alone:.1f} s, {memory_alone:.0f} MB", ours / alone)


async def _measured(side: str, file: Path) -> tuple[float, float, float]:
    """Return the seconds of processor time, the peak memory in MB and the pages of one side."""
    command = (sys.executable, "-m", "tests.bench.reports", side, str(file))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{side} ended with status {process.returncode}")
    return tuple(json.loads(output))


def _report(file: Path) -> float:
    return render(file, "pdf", file.with_name("report.pdf"), load_theme(None)).pages or 0


def _html(file: Path) -> str:
    content, in_colour = reduced(load(file, to_show=True))
    return page(content, load_theme(None), in_print=True, in_colour=in_colour)


def main(side: str, file: Path) -> None:
    """Render once, and write what it took."""
    source = file.with_suffix(".html")
    preload()  # as a child of the service does before it is ready
    if side == "report":
        began = time.process_time()
        pages = _report(file)
        seconds = time.process_time() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        source.write_text(_html(file))  # for the other side
    else:
        html = source.read_text()
        began = time.process_time()
        pages = write_pdf(html, file.with_name("alone.pdf"))
        seconds = time.process_time() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps((seconds, memory / 1000, pages)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
