"""Files over HTTP: bytes in parts over the bus, ranges, tags, names."""

from typing import Any

import httpx
import pytest
from contracts.files import FilePart
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import SESSION, TIME
from contracts.session.workspace import (
    DeleteFile,
    FilesPage,
    FileView,
    FileWritten,
    ListFiles,
    ReadFile,
    UploadPart,
    WriteFile,
)
from contracts.wire import MAX_PART_BYTES, MAX_UPLOAD_BYTES

from services.gateway.tests.stand_ins import Services

FILES = f"/api/v1/sessions/{SESSION}/workspace"
CONTENT = bytes(range(256)) * 5000
FILE = FileView.model_validate({"path": "a.txt", "type": "file", "size_bytes": 5, "modified_at": TIME})


class Store:
    """Stands in for the session service: holds one file, and what is uploaded."""

    def __init__(self, services: Services) -> None:
        self.services, self.content, self.uploaded = services, CONTENT, bytearray()

    async def open(self, *, created: bool = True) -> None:
        await self.services.answer_with(ReadFile, self._read)
        await self.services.answer_with(UploadPart, lambda part: self.uploaded.extend(part.data))
        await self.services.answer(WriteFile, FileWritten(file=FILE, created=created))

    def _read(self, asked: ReadFile) -> object:
        data = self.content[asked.offset : asked.offset + asked.length]
        view = {
            "size_bytes": len(self.content),
            "modified_at": TIME,
            "etag": "e1",
            "content_type": "text/html",
            "data": b"",
        }
        return FilePart.model_validate(view).model_copy(update={"data": data})


@pytest.fixture
async def store(services: Services) -> Store:
    store = Store(services)
    await store.open()
    return store


@pytest.mark.usefixtures("store")
async def test_a_file_is_read_whole_part_by_part(client: httpx.AsyncClient, services: Services):
    answer = await client.get(f"{FILES}/src/a.txt")
    assert (answer.status_code, answer.content == CONTENT) == (200, True)
    reads = [message for message, _ in services.heard if isinstance(message, ReadFile)]
    assert all(read.path == "src/a.txt" and read.length <= MAX_PART_BYTES for read in reads)
    assert {read.etag for read in reads[1:]} == {"e1"}


@pytest.mark.usefixtures("store")
async def test_a_file_comes_as_an_attachment_under_its_name_and_type(client: httpx.AsyncClient):
    headers = (await client.get(f"{FILES}/page ü.html")).headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''page%20%C3%BC.html"
    assert (headers["x-content-type-options"], headers["etag"]) == ("nosniff", '"e1"')
    assert headers["last-modified"] == "Wed, 25 Nov 2026 09:00:00 GMT"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
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
async def test_a_range_is_read(client: httpx.AsyncClient, asked: str, first: int, last: int):
    answer = await client.get(f"{FILES}/a", headers={"range": asked})
    first, last = first % len(CONTENT), last % len(CONTENT)
    assert (answer.status_code, answer.content == CONTENT[first : last + 1]) == (206, True)
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=9999999-", "bytes=-0"])
@pytest.mark.usefixtures("store")
async def test_a_range_behind_the_end_is_416(client: httpx.AsyncClient, asked: str):
    answer = await client.get(f"{FILES}/a", headers={"range": asked})
    assert (answer.status_code, answer.json()["error_code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "headers", [{"range": "bytes=x"}, {"range": "bytes=5-1"}, {"range": "bytes=0-1,3-4"}, {"range": "lines=1-2"}]
)
@pytest.mark.usefixtures("store")
async def test_what_is_not_one_range_of_bytes_is_ignored(client: httpx.AsyncClient, headers: dict[str, str]):
    assert (await client.get(f"{FILES}/a", headers=headers)).status_code == 200


@pytest.mark.usefixtures("store")
async def test_a_range_of_another_state_gives_the_whole_file(client: httpx.AsyncClient):
    answer = await client.get(f"{FILES}/a", headers={"range": "bytes=0-1", "if-range": '"old"'})
    assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


@pytest.mark.parametrize("tag", ['"e1"', 'W/"e1"', '"x", "e1"', "*"])
@pytest.mark.usefixtures("store")
async def test_a_file_that_the_client_has_is_304(client: httpx.AsyncClient, tag: str):
    answer = await client.get(f"{FILES}/a", headers={"if-none-match": tag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"e1"')


async def test_an_empty_file_is_read(client: httpx.AsyncClient, store: Store):
    store.content = b""
    answer = await client.get(f"{FILES}/a")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("code", "status"), [(Code.FILE_NOT_FOUND, 404), (Code.NOT_A_FILE, 409), (Code.INVALID_PATH, 422)]
)
async def test_a_refused_file_is_a_problem(client: httpx.AsyncClient, services: Services, code: Code, status: int):
    await services.answer(ReadFile, Refused(code=code, detail="No."))
    answer = await client.get(f"{FILES}/a")
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


async def test_a_path_reaches_the_service_as_it_was_meant(client: httpx.AsyncClient, services: Services):
    await services.answer(ReadFile, Refused(code=Code.INVALID_PATH, detail="No."))
    await client.get(f"{FILES}/%2e%2e/%2e%2e%2fetc%2fpasswd%00")
    assert services.heard[-1][0].path == "../../etc/passwd\0"


async def test_a_file_is_written_in_parts(client: httpx.AsyncClient, store: Store, services: Services):
    answer = await client.put(f"{FILES}/src/a.txt", content=CONTENT)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{FILES}/src/a.txt")
    assert store.uploaded == CONTENT
    written = services.heard[-1][0]
    assert (written.path, written.size) == ("src/a.txt", len(CONTENT))


async def test_a_replaced_file_is_200(client: httpx.AsyncClient, services: Services):
    await Store(services).open(created=False)
    assert (await client.put(f"{FILES}/a", content=b"hello")).status_code == 200


async def test_a_full_workspace_is_409(client: httpx.AsyncClient, services: Services):
    await services.answer(WriteFile, Refused(code=Code.WORKSPACE_FULL, detail="Full."))
    answer = await client.put(f"{FILES}/a", content=b"")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "WORKSPACE_FULL")


@pytest.mark.usefixtures("store")
async def test_the_largest_upload_is_taken_and_a_larger_one_is_413(client: httpx.AsyncClient):
    assert (await client.put(f"{FILES}/a", content=bytes(MAX_UPLOAD_BYTES))).status_code == 201
    assert (await client.put(f"{FILES}/a", content=bytes(MAX_UPLOAD_BYTES + 1))).status_code == 413


async def test_other_bodies_stay_small(client: httpx.AsyncClient):
    answer = await client.post(f"/api/v1/sessions/{SESSION}/query", json={"message": "x" * 1024 * 1024})
    assert answer.status_code == 413


async def test_a_file_is_removed(client: httpx.AsyncClient, services: Services):
    await services.answer(DeleteFile, None)
    assert (await client.delete(f"{FILES}/src/a.txt")).status_code == 204
    assert services.heard[-1][0].path == "src/a.txt"


async def test_files_are_listed(client: httpx.AsyncClient, services: Services):
    await services.answer(ListFiles, FilesPage(items=[FILE], total=3, truncated=True))
    shown: dict[str, Any] = (await client.get(FILES, params={"skip": 1, "limit": 1})).json()
    assert shown["items"] == [{"path": "a.txt", "type": "file", "size_bytes": 5, "modified_at": TIME}]
    assert (shown["total"], shown["truncated"]) == (3, True)
    assert shown["links"]["next"] == f"{FILES}?skip=2&limit=1"
