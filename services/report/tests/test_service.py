"""The report service with real NATS and PostgreSQL, and a fake session service."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command, Query, Refused
from contracts.refusals import Code, Refusal
from contracts.report.report import (
    DeleteReport,
    GetReport,
    ListReports,
    ReadReport,
    ReportView,
    RequestReport,
)
from contracts.samples import SESSION
from contracts.task_scheduler.values import ReportFormat
from contracts.wire import event_filter, event_stream
from eventing import leases
from eventing.bus.streams import provision
from eventing.testing import eventually
from report.app import service
from report.renderer import Renderer
from report.settings import Settings
from runtime import clock
from runtime.bus import Bus, Unavailable, connected
from runtime.bus.envelope import Envelope

from services.gateway.tests.fake_services import FakeServices

from .desk import OWNER
from .fake_session import QUERIES, FakeSession
from .stalling_service import PLAIN

WORKERS = 1
"""Of each replica. Every worker starts a process that loads the libraries for all formats."""
BEGINNINGS: dict[ReportFormat, bytes] = {"json": b"{", "html": b"<!", "markdown": b"#", "pdf": b"%PDF-"}


class Remote:
    """A client of the service, and the session that it reports about."""

    def __init__(self, others: FakeServices, reports: Path) -> None:
        self.others, self.session, self.reports = others, FakeSession(), reports

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        return await Bus(self.others.client, timeout=20).ask(message, Envelope.begin(actor=OWNER))

    async def answer_all(self) -> None:
        """Answer as the session service; the other streams exist and are empty."""
        await provision(self.others.js, event_stream("task_scheduler"), [event_filter("task_scheduler")])
        for kind in QUERIES:
            await self.others.answer_with(kind, self._answer)

    def _answer(self, query: Any) -> Any:
        try:
            return self.session.answer(query)
        except Refusal as refusal:
            return Refused(code=refusal.code, detail=refusal.detail)

    async def answers(self) -> bool:
        with suppress(Unavailable):
            return (await self.ask(ListReports())).total >= 0
        return False

    async def request(self, **fields: Any) -> ReportView:
        request = {"session_id": SESSION, "format": "json"} | fields
        # Automatic ones, as those of executions, because the number of others is limited.
        command = {"report_id": clock.new_id(), "request": request, "automatic": True}
        return await self.ask(RequestReport.model_validate(command))

    async def ended(self, report: ReportView) -> ReportView:
        """Wait until a report is over, and return it."""

        async def is_over() -> ReportView | None:
            latest = await self.ask(GetReport(report_id=report.id))
            return latest if latest.status in ("completed", "failed") else None

        return await eventually(is_over, within=150)

    def files(self, report_id: UUID) -> list[Path]:
        """Return the files that are stored for a report."""
        folder = self.reports / str(report_id)
        with suppress(FileNotFoundError):  # it is removed at any time after its report
            return list(folder.iterdir())
        return []


type Start = Callable[..., Awaitable[None]]


@pytest.fixture
def environment(database_url: str, nats_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of the service."""
    settings = {"DATABASE_URL": database_url, "NATS_URL": nats_url, "REPORTS_DIR": str(tmp_path / "reports")}
    return settings | {"REPORT_WORKERS": str(WORKERS)}


@pytest.fixture
async def remote(nats_url: str, tmp_path: Path) -> AsyncGenerator[Remote]:
    async with connected(nats_url, "test") as client:
        remote = Remote(FakeServices(client), tmp_path / "reports")
        await remote.answer_all()
        yield remote


@pytest.fixture
async def start(remote: Remote, environment: dict[str, str]) -> AsyncGenerator[Start]:
    """Start a replica in this process, and wait until it answers."""
    stop = asyncio.Event()
    settings = Settings.model_validate({name.lower(): value for name, value in environment.items()})
    async with asyncio.TaskGroup() as running:

        async def start() -> None:
            running.create_task(service.run(settings, stop))
            await eventually(remote.answers)

        yield start
        stop.set()


async def test_each_format_is_created_and_deleted(remote: Remote, start: Start) -> None:
    await start()
    remote.session.say("Hello")
    reports = {form: await remote.request(format=form) for form in BEGINNINGS}
    for form, beginning in BEGINNINGS.items():
        ended = await remote.ended(reports[form])
        assert (ended.status, ended.title, ended.error_detail) == ("completed", "My Session", None), form
        part = await remote.ask(ReadReport(report_id=ended.id))
        assert len(part.data) == part.size_bytes == ended.file_size_bytes, form
        assert part.data.lstrip().startswith(beginning), form
        assert form != "json" or json.loads(part.data)["session"]["messages"][0]["text"] == "Hello"
        assert len(remote.files(ended.id)) == 1, form
        await remote.ask(DeleteReport(report_id=ended.id))
    await eventually(lambda: not any(remote.files(report.id) for report in reports.values()))


async def test_another_users_session_fails_the_report(remote: Remote, start: Start) -> None:
    await start()
    report = await remote.ended(await remote.request(session_id=UUID(int=9)))
    assert (report.status, report.error_code) == ("failed", Code.REPORT_FAILED)
    assert "SESSION_NOT_FOUND" in (report.error_detail or "")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render titles only: no libraries have to be loaded."""
    monkeypatch.setattr(Renderer, "open", staticmethod(partial(Renderer.open, program=PLAIN)))


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Renderer, int]]:
    """What was rendered by which replica, and how many reports it rendered at that time."""
    render, active, seen = Renderer.render, Counter[Renderer](), list[tuple[Renderer, int]]()

    async def counting(renderer: Renderer, *args: Any) -> Any:
        active[renderer] += 1
        seen.append((renderer, active[renderer]))
        await asyncio.sleep(0.2)  # as long as others could be rendered
        try:
            return await render(renderer, *args)
        finally:
            active[renderer] -= 1

    monkeypatch.setattr(Renderer, "render", counting)
    return seen


@pytest.mark.usefixtures("plain")
async def test_replicas_create_each_report_once_and_few_at_a_time(
    remote: Remote, start: Start, rendering: list[tuple[Renderer, int]]
) -> None:
    await start()
    await start()
    reports = await asyncio.gather(*(remote.request() for _ in range(6)))
    ended = await asyncio.gather(*map(remote.ended, reports))
    assert {report.status for report in ended} == {"completed"}
    assert [len(remote.files(report.id)) for report in reports] == [1] * 6
    assert len(rendering) == 6
    assert {active for _, active in rendering} == {WORKERS}


@asynccontextmanager
async def stalling(point: str, environment: dict[str, str], marker: Path) -> AsyncGenerator[Process]:
    """Run a replica in a process of its own that stops at a point, and kill it on exit."""
    program = Path(__file__).with_name("stalling_service.py")
    process = await asyncio.create_subprocess_exec(sys.executable, program, point, marker, env=environment)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("point", [pytest.param("rendering", marks=pytest.mark.long), "stored"])
async def test_the_report_of_a_killed_worker_is_taken_over(
    remote: Remote,
    start: Start,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    monkeypatch.setattr(leases, "SWEEP_SECONDS", 0.2)
    marker = tmp_path / "stalled"
    async with stalling(point, environment, marker):
        await eventually(remote.answers)
        report = await remote.request()
        await eventually(marker.exists)
    assert len(remote.files(report.id)) == (point == "stored")
    await start()
    ended = await remote.ended(report)
    assert (ended.status, ended.progress_percent) == ("completed", 100)
    await eventually(lambda: len(remote.files(report.id)) == 1)
    assert (await remote.ask(ReadReport(report_id=report.id))).size_bytes == ended.file_size_bytes
