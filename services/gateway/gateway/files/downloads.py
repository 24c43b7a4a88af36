"""File downloads: read from a service in parts, with support for ranges and conditional requests."""

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

from gateway.clients.auth.callers import Anyone
from gateway.problems import EdgeCode, Problem, headed
from gateway.routing.prefer import BYTES, file_type

FILE_HEADERS = ("ETag", "Last-Modified", "Accept-Ranges", "Cache-Control", "Content-Disposition", "Vary")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


ANY_TYPE = "*/*"
"""The media type, in the document, of files whose own one depends on their name."""


def file_content(*media_types: str) -> dict[str, Any]:
    """Return the OpenAPI description of files that have one of these media types.

    `BYTES` comes first, which a client can accept for any file: many generated clients know no other type of files.
    """
    return {each: {"schema": _schema(each)} for each in (BYTES, *(kind.partition(";")[0] for kind in media_types))}


def _schema(media_type: str) -> dict[str, Any]:
    if media_type.endswith(("json", "yaml")):
        return {"type": "object"}  # clients parse it
    if media_type.startswith("text/"):
        return {"type": "string"}
    return {"format": "binary"} if media_type == ANY_TYPE else {"type": "string", "format": "binary"}


def download_responses(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a download that has one of these media types."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "The file", "content": file_content(*media_types)},
        206: {"description": "The part of the file that `Range` selects", "content": file_content(*media_types)},
        304: {"description": "The client's copy of the file is current"},
    }
    return headed(responses, {200: FILE_HEADERS, 206: (*FILE_HEADERS, "Content-Range"), 304: FILE_HEADERS})


@dataclass(frozen=True)
class Download:
    """A file that a client asked for, read by a query whose fields are among others those of a `ByteRange`.

    It is sent as an attachment called `name`: a browser must never render what an agent wrote as a page of this site.
    """

    query: Query[FilePart]
    name: str
    caller: Anyone

    async def response(self, request: Headers) -> Response:
        """Return the response to a request with these headers: the file, the part that `Range` selects, or 304.

        Raises:
            Problem: the range is outside the file (416).
            Refusal: the file does not exist, or it changed while it was read.
        """
        file = await self._read(0, 0, None)
        headers = self._headers(file)
        if _matches(request.get("if-none-match", ""), file.etag):
            return Response(status_code=304, headers=headers)
        selected = _range(request, file)
        first, last = selected or (0, file.size_bytes - 1)
        headers["content-length"] = str(last + 1 - first)
        if selected:
            headers["content-range"] = f"bytes {first}-{last}/{file.size_bytes}"
        parts = self._parts(first, last + 1, file.etag)
        first_part = await anext(parts, b"")  # before the headers are sent, so that a failure is still a problem
        media_type = file_type(file.content_type, request)
        return StreamingResponse(_chained(first_part, parts), 206 if selected else 200, headers, media_type)

    async def beginning(self, max_bytes: int) -> bytes:
        """Return the first bytes of the file, at most `max_bytes`.

        Raises:
            Refusal: the file does not exist, or it changed while it was read.
        """
        file = await self._read(0, 0, None)
        end = min(file.size_bytes, max_bytes)
        return b"".join([part async for part in self._parts(0, end, file.etag)])

    async def _read(self, offset: int, length: int, etag: str | None) -> FilePart:
        window = ByteRange(offset=offset, length=length, etag=etag)
        return await self.caller.ask(self.query.model_copy(update=dict(window)))

    def _headers(self, file: FilePart) -> dict[str, str]:
        return {
            "etag": f'"{file.etag}"',
            "last-modified": format_datetime(file.modified_at, usegmt=True),
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "vary": "Accept",
            "content-disposition": f"attachment; filename*=UTF-8''{quote(self.name, safe='')}",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        }

    async def _parts(self, offset: int, end: int, etag: str) -> AsyncGenerator[bytes]:
        while offset < end:
            part = await self._read(offset, min(MAX_PART_BYTES, end - offset), etag)
            if not part.data:
                raise Unavailable("the file is shorter than its announced size")
            yield part.data
            offset += len(part.data)


async def _chained(first_part: bytes, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first_part
    async for part in parts:
        yield part


def _matches(tags: str, etag: str) -> bool:
    return any(tag.strip().removeprefix("W/") in ("*", f'"{etag}"') for tag in tags.split(","))


def _range(request: Headers, file: FilePart) -> tuple[int, int] | None:
    """Return the first and the last byte that `Range` selects; None for the whole file."""
    # A header that is not a single range of bytes is ignored (RFC 9110, 14.2).
    found = _RANGE.fullmatch(request.get("range", "").replace(" ", ""))
    if not found or found[1] == found[2] == "" or not _matches(request.get("if-range", "*"), file.etag):
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
