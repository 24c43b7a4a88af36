"""Renders reports in child processes, so that no content can block the service, or use up its memory."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from contracts.refusals import Code
from contracts.task_scheduler.values import ReportFormat
from eventing.reactions.jobs import JobFailed
from runtime.children.pool import ChildNotStarted, ChildPool, ChildUnavailable, LimitExceeded, Limits
from runtime.children.process import ChildCrashed, ChildKilled, TimeExceeded
from runtime.logging import get_logger

from report.rendering.rendered import Rendered

log = get_logger()

PROGRAM = Path(__file__).parent / "rendering" / "child.py"
INTERNAL_ERROR = "The report could not be rendered because of an internal error."
NOT_STARTED = (
    "No process that renders reports can be started. Ask the operator: the log of the report service says why."
)
TOO_LARGE = "Leave out tool calls, or ask the operator for more memory (`REPORT_MEMORY_BYTES`)."
WALL_FACTOR = 10
"""How much longer than its limit of CPU time a report may take on the clock. On a busy machine it needs that."""
LIBRARY_BYTES = 256 * 1024 * 1024
"""Memory that the libraries for charts map when they are first used, in addition to what a report may use."""
MAX_OPEN_FILES = 256
MAX_REPLY_BYTES = 1024 * 1024


class NotRendered(JobFailed):
    """The machine is to blame, not the report: it may be rendered later."""


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
        cache_dir: Path | None = None,
        program: Path = PROGRAM,
    ) -> "AsyncGenerator[Renderer]":
        """Open a pool of child processes, which start with the first report; end them on exit.

        Args:
            workers: how many processes.
            seconds: the CPU time that each report may use.
            memory_bytes: the memory that each report may use.
            theme_dir: the folder of the theme, or None for the built-in one.
            cache_dir: where libraries keep what they found out about fonts, or None for a temporary folder.
            program: what the processes run.

        Raises:
            OSError: the cache cannot be used.
        """
        limits = Limits(
            cpu_seconds=seconds,
            wall_seconds=seconds * WALL_FACTOR,
            memory_bytes=memory_bytes + LIBRARY_BYTES,
            open_files=MAX_OPEN_FILES,
            reply_bytes=MAX_REPLY_BYTES,
        )
        with _cache(cache_dir) as environment:
            pool = ChildPool.open(
                program, limits, children=workers, max_requests=workers, on_demand=True, environment=environment
            )
            async with pool as opened:
                yield cls(opened, seconds, theme_dir)

    async def render(self, content_file: Path, format: ReportFormat, output_file: Path) -> Rendered:  # noqa: A002
        """Write the report whose content is in a file as `format` to another file.

        At most as many reports as there are workers may be rendered at the same time.

        Raises:
            JobFailed: REPORT_TOO_LARGE, it needs more time or memory than a report may; REPORT_FAILED.
            NotRendered: no process could be started, or none had enough time on the clock.
            ChildUnavailable: the child processes were killed; try again later.
        """
        theme = self._theme_dir and str(self._theme_dir)
        request = {"content": str(content_file), "format": format, "output": str(output_file), "theme": theme}
        try:
            reply = await self._pool.run(request)
        except ChildCrashed as error:
            raise JobFailed(Code.REPORT_FAILED, INTERNAL_ERROR) from error
        except TimeExceeded as error:
            raise JobFailed(Code.REPORT_TOO_LARGE, self._too_slow()) from error
        except LimitExceeded as error:
            raise JobFailed(Code.REPORT_TOO_LARGE, f"The report could not be rendered: {error}. {TOO_LARGE}") from error
        except ChildKilled:
            raise
        except ChildNotStarted as error:
            raise NotRendered(Code.REPORT_FAILED, NOT_STARTED) from error
        except ChildUnavailable as error:
            raise NotRendered(Code.REPORT_FAILED, self._too_late()) from error
        if "error" in reply:
            log.error("content of a report is not valid", reason=reply["error"])
            raise JobFailed(Code.REPORT_FAILED, INTERNAL_ERROR)
        return Rendered(reply["pages"], reply["notes"])

    def _too_slow(self) -> str:
        limit = f"{self._seconds:,g} s (`REPORT_SECONDS`)"
        return f"Rendering took longer than {limit}. Leave out tool calls, or ask the operator for more time."

    def _too_late(self) -> str:
        return (
            f"Rendering did not end within {self._seconds * WALL_FACTOR:,g} s on the clock, because the machine is "
            "busy. Try again later, or ask the operator for more time (`REPORT_SECONDS`)."
        )


@contextmanager
def _cache(folder: Path | None) -> Generator[dict[str, str]]:
    """Yield the variables that name the caches of libraries in a folder, or in a temporary one."""
    if folder is None:
        with TemporaryDirectory(ignore_cleanup_errors=True) as temporary, _cache(Path(temporary)) as environment:
            yield environment
        return
    charts = folder.absolute() / "matplotlib"
    charts.mkdir(parents=True, exist_ok=True)
    for lock in charts.glob("*.matplotlib-lock"):  # of a process that was killed; others would wait for it in vain
        lock.unlink(missing_ok=True)
    # One thread: a process may not map the memory of more, and calculates too little to gain from them.
    yield {"MPLCONFIGDIR": str(charts), "XDG_CACHE_HOME": str(folder.absolute()), "OPENBLAS_NUM_THREADS": "1"}
