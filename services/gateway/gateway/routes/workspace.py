"""Files of a session: `/api/v1/sessions/{session_id}/workspace`. The gateway passes them through and stores none."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.workspace import (
    DeleteFile,
    DiscardUpload,
    ListFiles,
    ReadFile,
    UploadPart,
    WriteFile,
)
from contracts.wire import MAX_FILE_BYTES, MAX_PART_BYTES
from fastapi import APIRouter, Depends, Query, Request, Response
from runtime.bus import Unavailable
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gateway import ids
from gateway.clients.auth.callers import User
from gateway.clients.authentication import Caller
from gateway.files.downloads import ANY_TYPE, Download, download_responses, file_content
from gateway.problems import EdgeCode, documented, headed
from gateway.routing.api_route import MaxBody
from gateway.routing.bodies import JsonRoute
from gateway.routing.changes import Unrecorded
from gateway.schemas.lists import Window
from gateway.schemas.workspace import WorkspaceFile, WorkspaceFilePage

SESSION_PROBLEMS = (Code.SESSION_NOT_FOUND, Code.SESSION_NOT_READY, Code.SESSION_ARCHIVED)
PATH_PROBLEMS = (Code.INVALID_PATH, Code.NOT_A_FILE)
STORAGE_PROBLEMS = (Code.WORKSPACE_FULL, Code.STORAGE_FAILED)
UPLOAD: dict[str, Any] = {
    "requestBody": {"required": True, "content": file_content()},
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "description": "`*`: the response is 412 if the file exists already. Or tags that it must not have.",
            "schema": {"type": "string", "examples": ["*"]},
        }
    ],
}

router = APIRouter(prefix="/api/v1/sessions/{session_id}/workspace", tags=["Workspace"], route_class=JsonRoute)


@router.get(
    "", operation_id="listFiles", summary="List files", response_model=WorkspaceFilePage,
    responses=documented(*SESSION_PROBLEMS),
)  # fmt: skip
async def index(session_id: UUID, window: Annotated[Window, Query()], caller: Caller, request: Request) -> Response:
    """Returns the files and folders of the workspace, sorted by path. Symbolic links are listed, but not followed."""
    page = await caller.ask(ListFiles(session_id=session_id, skip=window.skip, limit=window.limit))
    shown = WorkspaceFilePage.over(page, window, request)
    return shown.model_copy(update={"truncated": page.truncated}).response()


@router.get(
    "/{path:path}",
    operation_id="readFile",
    summary="Read a file",
    response_class=Response,
    responses=headed(
        download_responses(ANY_TYPE)
        | documented(
            *SESSION_PROBLEMS, *PATH_PROBLEMS, Code.FILE_NOT_FOUND, Code.FILE_CHANGED, EdgeCode.RANGE_NOT_SATISFIABLE
        ),
        {416: ("Content-Range",)},
    ),
)
async def read(session_id: UUID, path: str, caller: Caller, request: Request) -> Response:
    """Returns the content of the file, always as an attachment.

    Supports `Range`, `If-Range` and `If-None-Match`.
    """
    name = path.rpartition("/")[2]
    query = ReadFile(session_id=session_id, path=path)
    return await Download(query, name, caller).response(request.headers)


@router.put(
    "/{path:path}",
    operation_id="writeFile",
    dependencies=[Depends(Unrecorded(with_size=True)), Depends(MaxBody(MAX_FILE_BYTES))],
    summary="Write a file",
    response_model=WorkspaceFile,
    openapi_extra=UPLOAD,
    responses=headed(
        {201: {"model": WorkspaceFile, "description": "The file was created"}}
        | documented(
            *(*SESSION_PROBLEMS, *PATH_PROBLEMS, *STORAGE_PROBLEMS, EdgeCode.PAYLOAD_TOO_LARGE),
            quotas=("storage_bytes",),
        ),
        {200: ("Location", "ETag"), 201: ("Location", "ETag")},
    ),
)
async def write(session_id: UUID, path: str, caller: Caller, request: Request) -> Response:
    """Creates the file, or replaces its content, and returns it; the status is 201 if it was created.

    The request body is the content, of any media type and at most 64 MiB. Missing folders are created.
    """
    upload_id = ids.new_id()
    size = await _upload(session_id, upload_id, caller, request)
    written = await caller.ask(WriteFile(session_id=session_id, path=path, upload_id=upload_id, size=size))
    headers = {"Location": f"/api/v1/sessions/{session_id}/workspace/{quote(path)}"}
    if written.etag:
        headers["ETag"] = f'"{written.etag}"'
    return WorkspaceFile.of(written.file).response(201 if written.created else 200, headers)


@router.delete(
    "/{path:path}",
    operation_id="deleteFile",
    dependencies=[Depends(Unrecorded())],
    summary="Delete a file or folder",
    status_code=204,
    responses=documented(*SESSION_PROBLEMS, *PATH_PROBLEMS, Code.FILE_NOT_FOUND),
)
async def delete(session_id: UUID, path: str, caller: Caller) -> Response:
    """Deletes a file, or a folder with everything in it. Of a symbolic link, only the link is deleted."""
    await caller.ask(DeleteFile(session_id=session_id, path=path))
    return Response(status_code=204)


async def _upload(session_id: UUID, upload_id: UUID, caller: User, request: Request) -> int:
    """Send a request's body to the session service in parts, and return its size in bytes."""
    size = 0
    try:
        async for data in _parts(request):
            await caller.ask(UploadPart(session_id=session_id, upload_id=upload_id, offset=size, data=data))
            size += len(data)
    except (ClientDisconnect, HTTPException):  # it was cut off, or is too large
        if size:
            with suppress(Refusal, Unavailable):  # then the session service removes it later
                await caller.ask(DiscardUpload(session_id=session_id, upload_id=upload_id))
        raise
    return size


async def _parts(request: Request) -> AsyncGenerator[bytes]:
    """Yield the body in parts of equal size, the last of which may be smaller."""
    buffer = bytearray()
    async for chunk in request.stream():
        buffer += chunk
        while len(buffer) >= MAX_PART_BYTES:
            part, buffer = bytes(memoryview(buffer)[:MAX_PART_BYTES]), buffer[MAX_PART_BYTES:]
            yield part
    if buffer:
        yield bytes(buffer)
