"""The handlers, projections, queries and reactions of the report service, on a database of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from contracts.identity.user import GetActor
from contracts.messages import Actor, Command, Event, Query
from contracts.refusals import Code, Refusal
from contracts.report.report import (
    CompleteReport,
    GetReport,
    ReportRequested,
    ReportView,
    RequestReport,
)
from contracts.report.values import ReportFile
from contracts.samples import SESSION, USER
from contracts.task_scheduler.values import ReportFormat
from eventing.database import Database
from eventing.reactions import Reaction
from eventing.recording import Recorded
from eventing.testing import harness
from eventing.testing.due import set_clocks
from report.app import service
from report.reactions.creation import IN_PROGRESS, CreateReport
from report.renderer import NotRendered
from report.rendering.rendered import Rendered
from report.storage.local import LocalStorage
from runtime.blocking import BlockingPool
from runtime.bus import Bus
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from .fake_session import FakeSession

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(int=7), role="user")
ADMIN = Actor(user_id=UUID(int=8), role="admin")


class FakeRenderer:
    """Writes the content as it is; `meanwhile` is called before that."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.rendered = list[ReportFormat]()

    async def give_up(self) -> None:
        """Fail as on a machine that is busy."""
        raise NotRendered(Code.REPORT_FAILED, "The machine is busy.")

    async def render(self, content_file: Path, format: ReportFormat, output_file: Path) -> Rendered:  # noqa: A002
        """Copy the content."""
        if self.meanwhile:
            await self.meanwhile()
        self.rendered.append(format)
        await asyncio.to_thread(lambda: output_file.write_bytes(content_file.read_bytes()))
        return Rendered(3, ["a note"])


@dataclass
class Pdf:
    """Whether reports can become PDF, as a test decides."""

    possible: bool = True

    async def available(self) -> bool:
        """Return it."""
        return self.possible


@dataclass
class Dependencies:
    """Dependencies without child processes."""

    storage: LocalStorage
    blocking: BlockingPool
    renderer: FakeRenderer = field(default_factory=FakeRenderer)
    pdf: Pdf = field(default_factory=Pdf)
    workers: int = 2
    retention_days: int = 90


class Others:
    """The other services: a session, and `replies` to other messages."""

    def __init__(self) -> None:
        self.session = FakeSession()
        self.replies: dict[type[Any], Any] = {GetActor: OWNER}
        self.asked = list[tuple[Any, Envelope]]()

    async def ask(self, message: Command[Any] | Query[Any], envelope: Envelope) -> Any:
        """Answer a message."""
        self.asked.append((message, envelope))
        if type(message) not in self.replies:
            return self.session.answer(message)
        reply = self.replies[type(message)]
        if isinstance(reply, Exception):
            raise reply
        return reply


class Desk(harness.ServiceHarness):
    """The handlers and queries of the report service, used by `OWNER` unless another actor is named."""

    actor = OWNER

    def __init__(self, database: Database, dependencies: Dependencies, folder: Path, clock: pytest.MonkeyPatch) -> None:
        self._clock, self.folder = clock, folder
        self.at(NOON)
        self.dependencies, self.others = dependencies, Others()
        super().__init__(service, database, dependencies)

    def at(self, now: datetime) -> None:
        """Set the clock."""
        set_clocks(self._clock.setattr, lambda: now)

    async def request(self, actor: Actor = OWNER, **fields: Any) -> ReportView:
        """Request a report."""
        request = {"session_id": SESSION, "format": "html"} | fields
        return await self.send(RequestReport.model_validate({"report_id": new_id(), "request": request}), actor)

    async def completed(self, actor: Actor = OWNER, **fields: Any) -> ReportView:
        """Request a report, and complete it with a file of ten bytes."""
        report = await self.request(actor, **fields)
        await self.complete(report.id)
        return await self.ask(GetReport(report_id=report.id), ADMIN)

    async def complete(self, report_id: UUID, name: str = "1.html", data: bytes = b"0123456789") -> None:
        """Complete a report with a file."""
        key = f"{report_id}/{name}"
        await self.store(key, data)
        file = ReportFile(key=key, size_bytes=len(data), sha256="ab" * 32, notes=["a note"])
        await self.send(CompleteReport(report_id=report_id, title="My Session", file=file), ADMIN)

    async def store(self, key: str, data: bytes = b"left") -> None:
        """Store a file."""
        file = self.folder / "source"
        file.write_bytes(data)
        await self.dependencies.storage.put(key, file)

    async def latest(self, report_id: UUID) -> ReportView:
        """Return a report as it is now."""
        return await self.ask(GetReport(report_id=report_id), ADMIN)

    async def files(self, report_id: UUID) -> list[str]:
        """Return the keys of the files that are stored for a report."""
        return await self.dependencies.storage.keys(f"{report_id}/")

    async def in_progress(self) -> list[UUID]:
        """Return the reports whose files are to be created."""
        return [row["work"] for row in await self.database.fetch(IN_PROGRESS)]

    async def create(self, report_id: UUID) -> None:
        """Do the job that creates the file of a report."""
        await self.do(CreateReport, ReportRequested, report_id)

    async def give_up(self, report_id: UUID) -> None:
        """Give up the job that creates the file of a report."""
        await self.give_up_job(CreateReport, ReportRequested, report_id)

    async def see_latest(self, kind: type[Event], id: UUID) -> None:
        """React to the latest event of a kind."""
        await self.see(await self.latest_event(kind, id))

    async def see(self, recorded: Recorded[Any]) -> None:
        """React to an event, which this service or another one has published."""
        for registration in service.reactions.by_name.values():
            if registration.event is type(recorded.event):
                await registration.react(recorded, self.reaction(recorded))

    def reaction(self, recorded: Recorded[Any]) -> Reaction[Any]:
        """Return the context of a reaction to an event."""
        reaction = super().reaction(recorded)
        reaction.router.bus = cast(Bus, self.others)
        return reaction


def refusal(code: Code) -> Refusal:
    """Return a refusal."""
    return Refusal(code, "refused")
