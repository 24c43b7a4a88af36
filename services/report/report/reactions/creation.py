"""Creates the files of reports."""

import tempfile
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from contracts.refusals import Code, Refusal
from contracts.report.report import CompleteReport, FailReport, RecordProgress, ReportRequested
from contracts.report.values import SUFFIXES, ReportFile, ReportStep
from eventing.reactions import Reactions, UnfinishedWork
from eventing.reactions.jobs import Job, JobFailed, job
from prometheus_client import Counter
from runtime import clock
from runtime.bus import NoResponders
from runtime.logging import get_logger
from runtime.metrics import metrics_of

from report.collecting import collect
from report.content import ReportContent
from report.dependencies import Dependencies
from report.renderer import NotRendered
from report.rendering.rendered import Rendered
from report.storage import StorageDenied

log = get_logger()

reports_failed = Counter(
    "reports_failed_total", "Reports that could not be created", ["code"], registry=metrics_of("report")
)

MAX_AGE = timedelta(days=1)
"""A report that has not been created as long after its request fails: what it needs has been unavailable for long."""
TOO_OLD = "The report could not be created within a day, because services that it needs were not available."
RETRY_AGE = timedelta(hours=1)
"""How long the report of an execution, which nobody waits for, is rendered again if the machine is too busy."""

IN_PROGRESS = "SELECT id AS aggregate, id AS work FROM reports WHERE status IN ('pending', 'rendering')"
GONE = frozenset({Code.SESSION_NOT_FOUND, Code.TASK_NOT_FOUND, Code.EXECUTION_NOT_FOUND})

reactions = Reactions()


def _workers(dependencies: Dependencies) -> int:
    return dependencies.workers


@job(reactions, "create_report", concurrency=_workers)
class CreateReport(Job[Dependencies, ReportRequested]):
    """Creates the file of a report: collects its content, renders and stores it.

    Each worker stores under a key of its own, so that a late one never replaces or removes the file of another.
    """

    unfinished: ClassVar = UnfinishedWork(IN_PROGRESS, lambda recorded: recorded.id)
    give_up_code: ClassVar = Code.REPORT_FAILED

    @cached_property
    def key(self) -> str:
        """The key under which this worker stores the file."""
        return f"{self.recorded.id}/{clock.new_id()}{SUFFIXES[self.event.request.format]}"

    async def work(self) -> None:
        """Create the file, and complete the report."""
        if self._age > MAX_AGE:
            raise JobFailed(Code.REPORT_FAILED, TOO_OLD)
        await self._record(10, "collecting")
        content = await self._collect()
        with tempfile.TemporaryDirectory() as folder:
            file = await self._render(content, Path(folder))
        await self.reaction.send(CompleteReport(report_id=self.recorded.id, title=content.title, file=file))

    async def fail(self, failure: JobFailed) -> None:
        """Report the failure; a file that was stored is removed as a reaction to that."""
        failed = FailReport(report_id=self.recorded.id, error_code=failure.code, error_detail=failure.detail)
        await self.reaction.send(failed)
        log.error("report failed", report_id=str(self.recorded.id), code=failure.code, reason=failure.detail)
        reports_failed.labels(failure.code).inc()

    async def discard(self) -> None:
        """Remove the file that this worker stored."""
        if "key" in self.__dict__:  # only then something may be stored under it
            await self.dependencies.storage.delete(self.key)

    async def _collect(self) -> ReportContent:
        request, ask = self.event.request, self.reaction.ask
        try:
            return await collect(self.recorded.id, self.event.user_id, request, ask, self.dependencies.blocking)
        except Refusal as refusal:
            if refusal.code not in GONE:
                raise
            raise JobFailed(Code.REPORT_FAILED, f"{refusal.code}: {refusal.detail}") from refusal

    async def _render(self, content: ReportContent, folder: Path) -> ReportFile:
        content_file, output_file = folder / "content.json", folder / "output"
        await self.dependencies.blocking.run(_write, content, content_file)
        await self._record(40, "rendering")
        rendered = await self._render_or_retry(content_file, output_file)
        size_bytes, digest = await self.dependencies.blocking.run(_measure, output_file)
        await self._record(95, "storing")
        await self._store(output_file)
        return ReportFile(
            key=self.key, size_bytes=size_bytes, sha256=digest, pages=rendered.pages, notes=rendered.notes
        )

    async def _render_or_retry(self, content_file: Path, output_file: Path) -> Rendered:
        try:
            return await self.dependencies.renderer.render(content_file, self.event.request.format, output_file)
        except NotRendered as failure:
            if self.event.request.execution_id is None or self._age > RETRY_AGE:
                raise
            raise NoResponders(failure.detail) from failure  # postponed, which counts as no attempt

    @property
    def _age(self) -> timedelta:
        return self.reaction.now() - self.recorded.at

    async def _store(self, file: Path) -> None:
        try:
            await self.dependencies.storage.put(self.key, file)
        except StorageDenied as error:
            log.exception("report could not be stored", report_id=str(self.recorded.id))
            raise JobFailed(Code.STORAGE_FAILED, "The file of the report could not be stored.") from error

    async def _record(self, percent: int, step: ReportStep) -> None:
        """Record progress. A report that is over or deleted refuses it, which ends the job."""
        await self.reaction.send(RecordProgress(report_id=self.recorded.id, percent=percent, step=step))


def _write(content: ReportContent, file: Path) -> None:
    file.write_text(content.model_dump_json())


def _measure(file: Path) -> tuple[int, str]:
    """Return the size of a file, and its hash."""
    digest = sha256()
    with file.open("rb") as opened:
        while block := opened.read(2**20):
            digest.update(block)
    return file.stat().st_size, digest.hexdigest()
