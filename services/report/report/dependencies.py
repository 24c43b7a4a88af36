"""The dependencies of the report service's handlers, queries and reactions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic

from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from prometheus_client import Gauge
from runtime.blocking import BlockingPool
from runtime.bus import Client
from runtime.logging import get_logger
from runtime.metrics import metrics_of
from runtime.starting import CannotStart

from report.renderer import Renderer
from report.rendering.pdf import why_unavailable
from report.rendering.theme import ThemeError
from report.settings import Settings
from report.storage import Storage
from report.storage.opening import open_storage

log = get_logger()

CHECK_SECONDS = 2.0
"""How long an answer that PDF cannot be created is valid."""

pdf_available = Gauge(
    "report_pdf_available", "Whether reports can be created as PDF (1) or not (0)", registry=metrics_of("report")
)


class PdfSupport:
    """Whether reports can be created as PDF here. What is missing may be installed while the service runs."""

    def __init__(self) -> None:
        self._available = False
        self._reason: str | None = None
        self._checked_at = -CHECK_SECONDS
        self._checking = asyncio.Lock()

    async def available(self) -> bool:
        """Return whether reports can be created as PDF. As long as they cannot, this is checked again."""
        async with self._checking:
            if not self._available and monotonic() >= self._checked_at + CHECK_SECONDS:
                await self._check()
        return self._available

    async def _check(self) -> None:
        reason = await asyncio.to_thread(why_unavailable)
        self._available, self._checked_at = reason is None, monotonic()
        pdf_available.set(self._available)
        if reason is None:
            log.info("pdf is available")
        elif reason != self._reason:
            log.warning("pdf is not available; html, markdown and json are", reason=reason)
        self._reason = reason


@dataclass(frozen=True)
class Dependencies:
    """Dependencies of the service's handlers, queries and reactions.

    `workers` is how many reports are created at the same time.
    `retention_days` is 0 if reports are kept for ever. `blocking` runs what would block the event loop.
    """

    storage: Storage
    renderer: Renderer
    blocking: BlockingPool
    pdf: PdfSupport
    workers: int
    retention_days: int


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]


@asynccontextmanager
async def dependencies(settings: Settings, _database: Database, _client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies; on exit, end the processes that render.

    Raises:
        CannotStart: the theme is not valid, the cache cannot be used, or the store refuses access.
    """
    if settings.report_theme_dir:
        await asyncio.to_thread(_check_theme, settings.report_theme_dir)
    if settings.report_cache_dir:
        await asyncio.to_thread(_check_cache, settings.report_cache_dir)
    storage = await open_storage(settings)
    pdf = PdfSupport()
    await pdf.available()
    rendering = Renderer.open(
        workers=settings.report_workers,
        seconds=settings.report_seconds,
        memory_bytes=settings.report_memory_bytes,
        theme_dir=settings.report_theme_dir,
        cache_dir=settings.report_cache_dir,
    )
    async with BlockingPool.open() as blocking, rendering as renderer:
        yield Dependencies(storage, renderer, blocking, pdf, settings.report_workers, settings.report_retention_days)


def _check_theme(folder: Path) -> None:
    from report.rendering.theme_files import check_theme  # only where there is a theme, the libraries are loaded

    try:
        check_theme(folder)
    except ThemeError as error:
        raise CannotStart(f"REPORT_THEME_DIR: {error}") from None


def _check_cache(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CannotStart(f"REPORT_CACHE_DIR: {folder}: {error.strerror}") from None
