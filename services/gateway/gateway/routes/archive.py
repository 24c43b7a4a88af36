"""Archives of sessions: `/api/v1/sessions/{session_id}/archive`."""

from uuid import UUID

from contracts.refusals import Code
from contracts.session.archive import CONTENT_TYPES, GetArchive, ReadArchive
from contracts.session.session import GetSession
from fastapi import APIRouter, Request, Response

from gateway.clients.authentication import Caller
from gateway.files.downloads import Download, download_responses
from gateway.problems import EdgeCode, Problem, documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.archive import Archive, NewArchive
from gateway.state import gateway_of
from gateway.waiting.sessions import wait_until_ready

NO_BODY = NewArchive()

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["Archives"], route_class=JsonRoute)


@router.post(
    "/archive",
    operation_id="archiveSession",
    summary="Archive a session",
    response_model=Archive,
    responses=documented(
        Code.SESSION_NOT_FOUND,
        Code.SESSION_BUSY,
        Code.SESSION_NOT_READY,
        Code.SESSION_ARCHIVED,
        Code.WORKSPACE_FULL,
        Code.STORAGE_FAILED,
        quotas=("storage_bytes",),
    ),
)
async def archive(session_id: UUID, caller: Caller, request: Request, body: NewArchive = NO_BODY) -> Response:
    """Packs the session's files into an archive, and returns the archive when it is complete.

    The conversation stays readable. The files are only in the archive, and queries get 409 `SESSION_ARCHIVED`, until
    the session is resumed. If the files cannot be packed, the session is reopened unchanged, and its `error_code` and
    `error_detail` say why.
    """
    await caller.ask(body.command(session_id))
    gateway, session = gateway_of(request), await caller.ask(GetSession(session_id=session_id))
    if not (await wait_until_ready(session, caller, gateway.waits, gateway.disconnected(request))).ready:
        detail = f"The files are still being packed; GET /api/v1/sessions/{session_id}/archive returns the status."
        raise Problem(EdgeCode.UNAVAILABLE, detail)
    return Archive.of(await caller.ask(GetArchive(session_id=session_id))).response()


@router.get(
    "/archive",
    operation_id="getArchive",
    summary="Get an archive",
    response_model=Archive,
    responses=documented(Code.SESSION_NOT_FOUND, Code.ARCHIVE_NOT_FOUND),
)
async def show(session_id: UUID, caller: Caller) -> Response:
    """Returns the archive of the session. Its `status` is `packing`, `ready` or `unpacking`."""
    return Archive.of(await caller.ask(GetArchive(session_id=session_id))).response()


@router.get(
    "/archive/download",
    operation_id="downloadArchive",
    summary="Download an archive",
    response_class=Response,
    responses=headed(
        download_responses(*CONTENT_TYPES.values())
        | documented(
            Code.SESSION_NOT_FOUND, Code.ARCHIVE_NOT_FOUND, Code.SESSION_NOT_READY, EdgeCode.RANGE_NOT_SATISFIABLE
        ),
        {416: ("Content-Range",)},
    ),
)
async def download(session_id: UUID, caller: Caller, request: Request) -> Response:
    """Returns the archive as a file. Supports `Range`, `If-Range` and `If-None-Match`."""
    view = await caller.ask(GetArchive(session_id=session_id))
    name = view.archive_path.rpartition("/")[2]
    query = ReadArchive(session_id=session_id)
    return await Download(query, name, caller).response(request.headers)
