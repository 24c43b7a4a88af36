"""The read models of the report service, updated in the transaction that stores the event."""

from typing import Any, assert_never

from contracts.report.report import (
    LinkCreated,
    ReportCompleted,
    ReportDeleted,
    ReportEvent,
    ReportFailed,
    ReportProgressed,
    ReportRequested,
)
from contracts.report.values import ReportRequest
from eventing.database import Connection
from eventing.recording import Recorded

from report.due import REPORT_EXPIRY

REQUEST = [*ReportRequest.model_fields]
INSERT = (
    f"INSERT INTO reports (id, user_id, created_at, {', '.join(REQUEST)}) "  # noqa: S608  names of fields
    f"VALUES ($1, $2, $3, {', '.join(f'${n}' for n in range(4, 4 + len(REQUEST)))})"
)
COMPLETE = """
    UPDATE reports SET status = 'completed', progress_percent = 100, progress_step = 'done', title = $2,
        file_key = $3, file_size_bytes = $4, file_sha256 = $5, pages = $6, notes = $7, generated_at = $8,
        expires_at = $9
    WHERE id = $1"""

FAIL = "UPDATE reports SET status = 'failed', error_code = $2, error_detail = $3, expires_at = $4 WHERE id = $1"


async def project(recorded: Recorded[ReportEvent], db: Connection) -> None:
    """Update the read model with one event."""
    event, id = recorded.event, recorded.id
    match event:
        case ReportRequested():
            request = event.request.model_copy(update={"title": event.request.title or ""})
            fields = [getattr(request, name) for name in REQUEST]
            await db.execute(INSERT, id, event.user_id, recorded.at, *fields)
        case ReportProgressed():
            await db.execute(
                "UPDATE reports SET status = 'rendering', progress_percent = $2, progress_step = $3 WHERE id = $1",
                id, event.percent, event.step,
            )  # fmt: skip
        case ReportCompleted():
            await _complete(event, recorded, db)
        case ReportFailed():
            await db.execute(FAIL, id, event.error_code, event.error_detail, event.expires_at)
            await _set_expiry(event, recorded, db)
        case LinkCreated():
            await _create_link(event, recorded, db)
        case ReportDeleted():
            await db.execute("DELETE FROM reports WHERE id = $1", id)
            await REPORT_EXPIRY.cancel(id, db)
        case _:
            assert_never(event)


async def _complete(event: ReportCompleted, recorded: Recorded[Any], db: Connection) -> None:
    file = event.file
    await db.execute(
        COMPLETE, recorded.id, event.title, file.key, file.size_bytes, file.sha256, file.pages, file.notes,
        recorded.at, event.expires_at,
    )  # fmt: skip
    await _set_expiry(event, recorded, db)


async def _set_expiry(event: ReportCompleted | ReportFailed, recorded: Recorded[Any], db: Connection) -> None:
    if event.expires_at:
        await REPORT_EXPIRY.set(recorded, recorded.id, event.expires_at, db)


async def _create_link(event: LinkCreated, recorded: Recorded[Any], db: Connection) -> None:
    # Expired links are of no use to anybody, and would accumulate.
    await db.execute("DELETE FROM report_links WHERE report_id = $1 AND expires_at < $2", recorded.id, recorded.at)
    await db.execute(
        "INSERT INTO report_links (id, report_id, token_hash, expires_at) VALUES ($1, $2, $3, $4)",
        event.link_id, recorded.id, event.token_hash, event.expires_at,
    )  # fmt: skip
