"""Files as responses: read from a service part by part, whole or in a range, and only if the client lacks them."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from contracts.files import ByteRange, FilePart
from contracts.messages import Query
from contracts.wire import MAX_PART_BYTES
from runtime.bus import Unavailable
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from gateway.auth.callers import User
from gateway.problems import EdgeCode, Problem, headed

STATE = ("ETag", "Last-Modified", "Accept-Ranges", "Cache-Control", "Content-Disposition")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def content(*media_types: str) -> dict[str, Any]:
    """Describe, for OpenAPI, bytes of these media types."""
    return {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types}


def given(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, the answers that a download of one of these media types has."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "The file", "content": content(*media_types)},
        206: {"description": "The part that the header Range names", "content": content(*media_types)},
        304: {"description": "The client has this state of the file"},
    }
    return headed(responses, {200: STATE, 206: (*STATE, "Content-Range"), 304: STATE})


@dataclass(frozen=True)
class Download:
    """A file that a client asked for, read by a query whose fields are among others those of a `ByteRange`.

    It comes under its `name` and as an attachment: what an agent wrote is never shown as a page of this site.
    """

    query: Query[FilePart]
    name: str
    caller: User

    async def response(self, asked: Headers) -> Response:
        """Answer with the file, with the part that the header Range names, or with 304.

        Raises:
            Problem: 416; the file has no such part.
            Refusal: the service has no such file, or it changed while it was read.
        """
        file = await self._read(0, 0, None)
        headers = self._headers(file)
        if _has(asked.get("if-none-match", ""), file.etag):
            return Response(status_code=304, headers=headers)
        window = _window(asked, file)
        first, last = window or (0, file.size_bytes - 1)
        headers["content-length"] = str(last + 1 - first)
        if window:
            headers["content-range"] = f"bytes {first}-{last}/{file.size_bytes}"
        parts = self._parts(first, last + 1, file.etag)
        beginning = await anext(parts, b"")  # what fails here is still a problem, not a broken connection
        return StreamingResponse(_chained(beginning, parts), 206 if window else 200, headers, file.content_type)

    async def _read(self, offset: int, length: int, etag: str | None) -> FilePart:
        window = ByteRange(offset=offset, length=length, etag=etag)
        return await self.caller.ask(self.query.model_copy(update=dict(window)))

    def _headers(self, file: FilePart) -> dict[str, str]:
        return {
            "etag": f'"{file.etag}"',
            "last-modified": format_datetime(file.modified_at, usegmt=True),
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "content-disposition": f"attachment; filename*=UTF-8''{quote(self.name, safe='')}",
            "x-content-type-options": "nosniff",
        }

    async def _parts(self, offset: int, end: int, etag: str) -> AsyncGenerator[bytes]:
        while offset < end:
            part = await self._read(offset, min(MAX_PART_BYTES, end - offset), etag)
            if not part.data:
                raise Unavailable("a file ended before its end")
            yield part.data
            offset += len(part.data)


async def _chained(beginning: bytes, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield beginning
    async for part in parts:
        yield part


def _has(tags: str, etag: str) -> bool:
    return any(tag.strip().removeprefix("W/") in ("*", f'"{etag}"') for tag in tags.split(","))


def _window(asked: Headers, file: FilePart) -> tuple[int, int] | None:
    # What is not one range of bytes is as if it were not there (RFC 9110, 14.2).
    found = _RANGE.fullmatch(asked.get("range", "").replace(" ", ""))
    if not found or found[1] == found[2] == "" or not _has(asked.get("if-range", "*"), file.etag):
        return None
    size = file.size_bytes
    if found[1]:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
        if found[2] and int(found[2]) < first:
            return None
    else:
        first, last = max(0, size - int(found[2])), size - 1
    if first > last:
        headers = {"content-range": f"bytes */{size}"}
        raise Problem(EdgeCode.RANGE_NOT_SATISFIABLE, f"The file has {size} bytes.", headers=headers)
    return first, last
