"""The audit log: `/api/v1/admin/audit`."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from contracts.identity.audit import MAX_EXPORTED, AuditEntry, AuditFilter, ExportAuditEntries
from contracts.refusals import Code
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from gateway.clients.auth.callers import User
from gateway.clients.authentication import Caller
from gateway.problems import documented, headed, translation
from gateway.routing.bodies import JsonRoute
from gateway.routing.prefer import prefers
from gateway.schemas import audit
from gateway.schemas.audit import AuditPage, AuditWindow

JSON_LINES = "application/jsonl"
WHOLE = "Not possible in an export, which has all entries that match"
EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"content": {JSON_LINES: {"schema": {"type": "string"}, "example": '{"action":"session.created",...}\n'}}}
}

router = APIRouter(prefix="/api/v1/admin/audit", tags=["Admin"], route_class=JsonRoute)


@router.get(
    "",
    operation_id="listAuditEntries",
    summary="Read the audit log",
    response_model=AuditPage,
    responses=headed(EXPORT | documented(Code.AUDIT_ENTRY_NOT_FOUND), {200: ("Content-Disposition",)}),
)
async def index(window: Annotated[AuditWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns who changed what, and what was denied to whom, newest first.

    The action is the event that recorded a change; of a refusal, or a change without an event, it is the operation.
    With `format=jsonl`, or if the client prefers `application/jsonl`, the response has all entries that match, one JSON
    object a line, whatever the limit is. If the transfer is cut off, they are not complete.
    """
    if window.format == "jsonl" or (window.format is None and prefers(JSON_LINES, request)):
        _check_has_no_position(window)
        parts = _parts(window.filter, caller)
        first = await anext(parts)  # before the headers are sent, so that a failure is still a problem
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return StreamingResponse(_lines(first, parts), headers=headers, media_type=JSON_LINES)
    page = await caller.ask(window.query())
    return AuditPage.over(page, window, request, list(map(audit.AuditEntry.showing, page.items))).response()


def _check_has_no_position(window: AuditWindow) -> None:
    positions = [name for name in ("skip", "after", "before") if getattr(window, name)]
    if positions:
        raise translation.invalid([{"loc": ("query", name), "msg": WHOLE, "type": "export"} for name in positions])


async def _parts(wanted: AuditFilter, caller: User) -> AsyncGenerator[list[AuditEntry]]:
    query = ExportAuditEntries(filter=wanted)
    while True:
        part = await caller.ask(query)
        yield part
        if len(part) < MAX_EXPORTED:
            return
        query = ExportAuditEntries(filter=wanted, after=part[-1].id)


async def _lines(first: list[AuditEntry], parts: AsyncGenerator[list[AuditEntry]]) -> AsyncGenerator[bytes]:
    part: list[AuditEntry] | None = first
    while part is not None:
        yield b"".join(audit.AuditEntry.showing(entry).encoded() + b"\n" for entry in part)
        part = await anext(parts, None)
