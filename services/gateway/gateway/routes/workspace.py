"""The files of a session: `/api/v1/sessions/{session_id}/workspace`. The gateway has none; they pass through it."""

from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from contracts.refusals import Code
from contracts.session.workspace import (
    DeleteFile,
    ListFiles,
    ReadFile,
    UploadPart,
    WriteFile,
)
from contracts.wire import MAX_PART_BYTES
from fastapi import APIRouter, Query, Request, Response
from runtime import clock

from gateway.api_route import ApiRoute
from gateway.auth.callers import User
from gateway.authentication import Caller
from gateway.downloads import Download, content, given
from gateway.problems import EdgeCode, documented, headed
from gateway.schemas.lists import Window
from gateway.schemas.workspace import WorkspaceFile, WorkspaceFilePage

OPEN_SESSION = (Code.SESSION_NOT_FOUND, Code.SESSION_NOT_READY, Code.SESSION_ARCHIVED)
PATH = (Code.INVALID_PATH, Code.NOT_A_FILE)
FULL = (Code.WORKSPACE_FULL, Code.STORAGE_FAILED)
SENT_BYTES: dict[str, Any] = {"requestBody": {"required": True, "content": content("application/octet-stream")}}

router = APIRouter(prefix="/api/v1/sessions/{session_id}/workspace", tags=["Workspace"], route_class=ApiRoute)


@router.get(
    "", operation_id="listFiles", summary="List the files of a session", response_model=WorkspaceFilePage,
    responses=documented(*OPEN_SESSION),
)  # fmt: skip
async def index(session_id: UUID, window: Annotated[Window, Query()], caller: Caller, request: Request) -> Response:
    """All that lies in the workspace, in the order of paths. Symlinks are listed, and not followed."""
    page = await caller.ask(ListFiles(session_id=session_id, skip=window.skip, limit=window.limit))
    shown = WorkspaceFilePage.over(page, list(map(WorkspaceFile.of, page.items)), window, request)
    return shown.model_copy(update={"truncated": page.truncated}).response()


@router.get(
    "/{path:path}",
    operation_id="readFile",
    summary="Read a file",
    response_class=Response,
    responses=headed(
        given("application/octet-stream")
        | documented(*OPEN_SESSION, *PATH, Code.FILE_NOT_FOUND, Code.FILE_CHANGED, EdgeCode.RANGE_NOT_SATISFIABLE),
        {416: ("Content-Range",)},
    ),
)
async def read(session_id: UUID, path: str, caller: Caller, request: Request) -> Response:
    """The bytes as they are, always as an attachment. `Range`, `If-Range` and `If-None-Match` are understood."""
    name = path.rpartition("/")[2]
    query = ReadFile(session_id=session_id, path=path)
    return await Download(query, name, caller).response(request.headers)


@router.put(
    "/{path:path}",
    operation_id="writeFile",
    summary="Write a file",
    response_model=WorkspaceFile,
    openapi_extra=SENT_BYTES,
    responses=headed(
        {201: {"model": WorkspaceFile, "description": "The file is new"}}
        | documented(*OPEN_SESSION, *PATH, *FULL, EdgeCode.PAYLOAD_TOO_LARGE),
        {200: ("Location",), 201: ("Location",)},
    ),
)
async def write(session_id: UUID, path: str, caller: Caller, request: Request) -> Response:
    """The body is the file, whatever its media type, up to 5 MiB. Missing folders are made; 201 when it is new."""
    upload_id = clock.new_id()
    size = await _upload(session_id, upload_id, caller, request)
    written = await caller.ask(WriteFile(session_id=session_id, path=path, upload_id=upload_id, size=size))
    place = f"/api/v1/sessions/{session_id}/workspace/{quote(path)}"
    return WorkspaceFile.of(written.file).response(201 if written.created else 200, {"Location": place})


@router.delete(
    "/{path:path}",
    operation_id="deleteFile",
    summary="Remove a file or a folder",
    status_code=204,
    responses=documented(*OPEN_SESSION, *PATH, Code.FILE_NOT_FOUND),
)
async def delete(session_id: UUID, path: str, caller: Caller) -> Response:
    """A folder goes with all that is in it; of a symlink, only itself."""
    await caller.ask(DeleteFile(session_id=session_id, path=path))
    return Response(status_code=204)


async def _upload(session_id: UUID, upload_id: UUID, caller: User, request: Request) -> int:
    held, offset = bytearray(), 0
    async for chunk in request.stream():
        held += chunk
        while len(held) >= MAX_PART_BYTES:
            offset += await _put(session_id, upload_id, offset, held, caller)
    if held:
        offset += await _put(session_id, upload_id, offset, held, caller)
    return offset


async def _put(session_id: UUID, upload_id: UUID, offset: int, held: bytearray, caller: User) -> int:
    data = bytes(held[:MAX_PART_BYTES])
    del held[:MAX_PART_BYTES]
    await caller.ask(UploadPart(session_id=session_id, upload_id=upload_id, offset=offset, data=data))
    return len(data)
