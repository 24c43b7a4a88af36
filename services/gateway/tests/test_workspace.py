"""The routes of files: parts, ranges, entity tags and names."""

import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from contracts.files import FilePart
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import SESSION, TIME
from contracts.session.workspace import (
    DeleteFile,
    DiscardUpload,
    FilesPage,
    FileView,
    FileWritten,
    ListFiles,
    ReadFile,
    UploadPart,
    WriteFile,
)
from contracts.wire import MAX_FILE_BYTES, MAX_PART_BYTES
from runtime.testing import eventually

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

FILES = f"/api/v1/sessions/{SESSION}/workspace"
CONTENT = bytes(range(256)) * 5000
FILE = FileView.model_validate({"path": "a.txt", "type": "file", "size_bytes": 5, "modified_at": TIME})


class Store:
    """A fake of the session service with one file and the uploaded bytes."""

    def __init__(self, services: FakeServices) -> None:
        self.services, self.content, self.uploaded = services, CONTENT, bytearray()

    async def open(self, *, created: bool = True) -> None:
        await self.services.answer_with(ReadFile, self._read)
        await self.services.answer_with(UploadPart, lambda part: self.uploaded.extend(part.data))
        await self.services.answer(DiscardUpload, None)
        await self.services.answer(WriteFile, FileWritten(file=FILE, created=created))

    def _read(self, query: ReadFile) -> object:
        data = self.content[query.offset : query.offset + query.length]
        view = {
            "size_bytes": len(self.content),
            "modified_at": TIME,
            "etag": "e1",
            "content_type": "text/html",
            "data": b"",
        }
        return FilePart.model_validate(view).model_copy(update={"data": data})


@pytest.fixture
async def store(services: FakeServices) -> Store:
    store = Store(services)
    await store.open()
    return store


@pytest.mark.usefixtures("store")
async def test_a_file_is_read_in_parts(client: httpx.AsyncClient, services: FakeServices):
    response = await client.get(f"{FILES}/src/a.txt")
    assert (response.status_code, response.content == CONTENT) == (200, True)
    reads = [message for message, _ in services.received if isinstance(message, ReadFile)]
    assert all(read.path == "src/a.txt" and read.length <= MAX_PART_BYTES for read in reads)
    assert {read.etag for read in reads[1:]} == {"e1"}


@pytest.mark.usefixtures("store")
async def test_a_file_is_an_attachment_with_its_name_and_type(client: httpx.AsyncClient):
    headers = (await client.get(f"{FILES}/page ü.html")).headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''page%20%C3%BC.html"
    assert (headers["x-content-type-options"], headers["etag"]) == ("nosniff", '"e1"')
    assert headers["last-modified"] == "Wed, 25 Nov 2026 09:00:00 GMT"


@each(
    ("range_header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-9", 5, 9),
        (f"bytes={len(CONTENT) - 3}-", -3, -1),
        ("bytes=-3", -3, -1),
        ("bytes=1-99999999", 1, -1),
        ("bytes=-99999999", 0, -1),
    ],
)
@pytest.mark.usefixtures("store")
async def test_a_range_of_a_file_is_returned(client: httpx.AsyncClient, range_header: str, first: int, last: int):
    response = await client.get(f"{FILES}/a", headers={"range": range_header})
    first, last = first % len(CONTENT), last % len(CONTENT)
    assert (response.status_code, response.content == CONTENT[first : last + 1]) == (206, True)
    assert response.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"


@each("range_header", ["bytes=9999999-", "bytes=-0"])
@pytest.mark.usefixtures("store")
async def test_a_range_beyond_the_end_is_416(client: httpx.AsyncClient, range_header: str):
    response = await client.get(f"{FILES}/a", headers={"range": range_header})
    assert (response.status_code, response.json()["error_code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"


@each("headers", [{"range": "bytes=x"}, {"range": "bytes=5-1"}, {"range": "bytes=0-1,3-4"}, {"range": "lines=1-2"}])
@pytest.mark.usefixtures("store")
async def test_other_ranges_than_one_of_bytes_are_ignored(client: httpx.AsyncClient, headers: dict[str, str]):
    assert (await client.get(f"{FILES}/a", headers=headers)).status_code == 200


@pytest.mark.usefixtures("store")
async def test_a_range_of_a_changed_file_returns_the_whole_file(client: httpx.AsyncClient):
    response = await client.get(f"{FILES}/a", headers={"range": "bytes=0-1", "if-range": '"old"'})
    assert (response.status_code, len(response.content)) == (200, len(CONTENT))


@each("tag", ['"e1"', 'W/"e1"', '"x", "e1"', "*"])
@pytest.mark.usefixtures("store")
async def test_an_unchanged_file_is_304(client: httpx.AsyncClient, tag: str):
    response = await client.get(f"{FILES}/a", headers={"if-none-match": tag})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"e1"')


async def test_an_empty_file_is_read(client: httpx.AsyncClient, store: Store):
    store.content = b""
    response = await client.get(f"{FILES}/a")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")


@each(("code", "status"), [(Code.FILE_NOT_FOUND, 404), (Code.NOT_A_FILE, 409), (Code.INVALID_PATH, 422)])
async def test_a_refused_file_is_a_problem(client: httpx.AsyncClient, services: FakeServices, code: Code, status: int):
    await services.answer(ReadFile, Refused(code=code, detail="No."))
    response = await client.get(f"{FILES}/a")
    assert (response.status_code, response.json()["error_code"]) == (status, code)


async def test_an_encoded_path_reaches_the_service_decoded(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ReadFile, Refused(code=Code.INVALID_PATH, detail="No."))
    await client.get(f"{FILES}/%2e%2e/%2e%2e%2fetc%2fpasswd%00")
    assert services.received[-1][0].path == "../../etc/passwd\0"


async def test_a_file_is_written_in_parts(client: httpx.AsyncClient, store: Store, services: FakeServices):
    response = await client.put(f"{FILES}/src/a.txt", content=CONTENT)
    assert (response.status_code, response.headers["location"]) == (201, f"{FILES}/src/a.txt")
    assert store.uploaded == CONTENT
    written = services.received[-1][0]
    assert (written.path, written.size) == ("src/a.txt", len(CONTENT))


async def test_a_replaced_file_is_200(client: httpx.AsyncClient, services: FakeServices):
    await Store(services).open(created=False)
    assert (await client.put(f"{FILES}/a", content=b"hello")).status_code == 200


async def test_a_full_workspace_is_409(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(WriteFile, Refused(code=Code.WORKSPACE_FULL, detail="Full."))
    response = await client.put(f"{FILES}/a", content=b"")
    assert (response.status_code, response.json()["error_code"]) == (409, "WORKSPACE_FULL")


@pytest.mark.long
async def test_the_largest_file_is_written(client: httpx.AsyncClient, store: Store):
    content = os.urandom(MAX_FILE_BYTES)
    assert (await client.put(f"{FILES}/a", content=content)).status_code == 201
    assert store.uploaded == content


@pytest.mark.usefixtures("store")
async def test_a_larger_file_is_413_before_it_is_read(client: httpx.AsyncClient, services: FakeServices):
    assert (await client.put(f"{FILES}/a", content=bytes(MAX_FILE_BYTES + 1))).status_code == 413
    assert services.of(UploadPart, DiscardUpload) == []


@pytest.mark.usefixtures("store")
async def test_a_larger_file_of_unknown_length_is_413_and_discarded(client: httpx.AsyncClient, services: FakeServices):
    async def content() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(MAX_FILE_BYTES // 64)
        yield b"x"

    assert (await client.put(f"{FILES}/a", content=content())).status_code == 413
    assert services.of(WriteFile) == []
    [discarded] = services.of(DiscardUpload)
    assert {part.upload_id for part in services.of(UploadPart)} == {discarded.upload_id}


async def test_an_upload_that_is_cut_off_is_discarded(base_url: str, services: FakeServices, store: Store):
    async def content() -> AsyncIterator[bytes]:
        yield bytes(MAX_PART_BYTES)
        await eventually(lambda: store.uploaded)
        raise ConnectionAbortedError

    headers = {"authorization": f"Bearer {services.token()}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as client:
        with pytest.raises(ConnectionAbortedError):
            await client.put(f"{FILES}/a", content=content())
    await eventually(lambda: services.of(DiscardUpload))
    assert services.of(WriteFile) == []


@pytest.mark.usefixtures("store")
async def test_a_failure_to_discard_an_upload_is_not_reported(client: httpx.AsyncClient, services: FakeServices):
    async def content() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MAX_PART_BYTES)

    await services.answer(DiscardUpload, Refused(code=Code.SESSION_ARCHIVED, detail="No."))
    assert (await client.put(f"{FILES}/a", content=content())).status_code == 413


async def test_other_bodies_than_uploads_have_a_smaller_limit(client: httpx.AsyncClient):
    response = await client.post(f"/api/v1/sessions/{SESSION}/query", json={"message": "x" * 1024 * 1024})
    assert response.status_code == 413


async def test_a_file_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteFile, None)
    assert (await client.delete(f"{FILES}/src/a.txt")).status_code == 204
    assert services.received[-1][0].path == "src/a.txt"


async def test_files_are_listed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListFiles, FilesPage(items=[FILE], total=3, truncated=True))
    body: dict[str, Any] = (await client.get(FILES, params={"skip": 1, "limit": 1})).json()
    assert body["items"] == [{"path": "a.txt", "type": "file", "size_bytes": 5, "modified_at": TIME}]
    assert (body["total"], body["truncated"]) == (3, True)
    assert body["links"]["next"] == f"{FILES}?skip=2&limit=1"
