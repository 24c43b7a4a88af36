"""Renders reports in child processes, so that no content can block the service, or use up its memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.refusals import Code
from contracts.task_scheduler.values import ReportFormat
from eventing.reactions.jobs import JobFailed
from runtime.children.pool import ChildPool, ChildUnavailable, LimitExceeded, Limits
from runtime.children.process import ChildCrashed, ChildKilled
from runtime.logging import get_logger

from report.rendering.rendered import Rendered

log = get_logger()

PROGRAM = Path(__file__).parent / "rendering" / "child.py"
INTERNAL_ERROR = "The report could not be rendered because of an internal error."
MAX_OPEN_FILES = 256
MAX_REPLY_BYTES = 1024 * 1024


class Renderer:
    """A pool of processes that render. Content and result are files, so that neither crosses the event loop."""

    def __init__(self, pool: ChildPool, seconds: float, theme_dir: Path | None) -> None:
        self._pool, self._seconds, self._theme_dir = pool, seconds, theme_dir

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        workers: int,
        seconds: float,
        memory_bytes: int,
        theme_dir: Path | None = None,
        program: Path = PROGRAM,
    ) -> "AsyncGenerator[Renderer]":
        """Open a pool of child processes, which start with the first report; end them on exit."""
        limits = Limits(
            cpu_seconds=seconds,
            wall_seconds=seconds,
            memory_bytes=memory_bytes,
            open_files=MAX_OPEN_FILES,
            reply_bytes=MAX_REPLY_BYTES,
        )
        async with ChildPool.open(program, limits, children=workers, max_requests=workers, on_demand=True) as pool:
            yield cls(pool, seconds, theme_dir)

    async def render(self, content_file: Path, format: ReportFormat, output_file: Path) -> Rendered:  # noqa: A002
        """Write the report whose content is in a file as `format` to another file.

        At most as many reports as there are workers may be rendered at the same time.

        Raises:
            JobFailed: REPORT_TOO_LARGE, it needs more time or memory than a report may; REPORT_FAILED.
            ChildUnavailable: the child processes were killed; try again later.
        """
        theme = self._theme_dir and str(self._theme_dir)
        request = {"content": str(content_file), "format": format, "output": str(output_file), "theme": theme}
        try:
            reply = await self._pool.run(request)
        except ChildCrashed as error:
            raise JobFailed(Code.REPORT_FAILED, INTERNAL_ERROR) from error
        except LimitExceeded as error:
            raise JobFailed(Code.REPORT_TOO_LARGE, f"The report could not be rendered: {error}.") from error
        except ChildKilled:
            raise
        except ChildUnavailable as error:  # it neither worked nor replied, and will not the next time
            detail = f"The report could not be rendered within {self._seconds:g} s."
            raise JobFailed(Code.REPORT_FAILED, detail) from error
        if "error" in reply:
            log.error("content of a report is not valid", reason=reply["error"])
            raise JobFailed(Code.REPORT_FAILED, INTERNAL_ERROR)
        return Rendered(reply["pages"], reply["notes"])
