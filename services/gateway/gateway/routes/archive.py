"""Archives of sessions: `/api/v1/sessions/{session_id}/archive`."""

from uuid import UUID

from contracts.refusals import Code
from contracts.session.archive import CONTENT_TYPES, GetArchive, ReadArchive
from contracts.session.session import GetSession
from fastapi import APIRouter, Request, Response

from gateway.authentication import Caller
from gateway.bodies import JsonRoute
from gateway.downloads import Download, given
from gateway.problems import EdgeCode, Problem, documented, headed
from gateway.schemas.archive import Archive, NewArchive
from gateway.session_ready import wait_until_ready

NOTHING_SAID = NewArchive()

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
    ),
)
async def archive(session_id: UUID, caller: Caller, request: Request, body: NewArchive = NOTHING_SAID) -> Response:
    """Closes the session and packs its files; the answer comes when that is done. The conversation stays readable.

    From now on the files are in the archive alone, and queries are refused with 409 `SESSION_ARCHIVED`, until the
    session is resumed. When the files cannot be packed, the session is open again as it was, and tells why in
    `error_code` and `error_detail`.
    """
    await caller.ask(body.command(session_id))
    show = GetSession(session_id=session_id)
    if not (await wait_until_ready(await caller.ask(show), caller, request)).ready:
        place = f"/api/v1/sessions/{session_id}/archive"
        raise Problem(EdgeCode.UNAVAILABLE, f"The files are still being packed; see {place}.")
    return Archive.of(await caller.ask(GetArchive(session_id=session_id))).response()


@router.get(
    "/archive",
    operation_id="getArchive",
    summary="Show the archive of a session",
    response_model=Archive,
    responses=documented(Code.SESSION_NOT_FOUND, Code.ARCHIVE_NOT_FOUND),
)
async def show(session_id: UUID, caller: Caller) -> Response:
    """Or how far it is: `packing`, `ready` or `unpacking`."""
    return Archive.of(await caller.ask(GetArchive(session_id=session_id))).response()


@router.get(
    "/archive/download",
    operation_id="downloadArchive",
    summary="Download the archive of a session",
    response_class=Response,
    responses=headed(
        given(*CONTENT_TYPES.values())
        | documented(
            Code.SESSION_NOT_FOUND, Code.ARCHIVE_NOT_FOUND, Code.SESSION_NOT_READY, EdgeCode.RANGE_NOT_SATISFIABLE
        ),
        {416: ("Content-Range",)},
    ),
)
async def download(session_id: UUID, caller: Caller, request: Request) -> Response:
    """`Range`, `If-Range` and `If-None-Match` are understood."""
    view = await caller.ask(GetArchive(session_id=session_id))
    name = view.archive_path.rpartition("/")[2]
    query = ReadArchive(session_id=session_id)
    return await Download(query, name, caller).response(request.headers)
