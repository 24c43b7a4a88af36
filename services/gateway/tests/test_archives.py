"""The routes of archives: the response waits until the workspace is packed or unpacked."""

import httpx
from contracts.files import FilePart
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import ARCHIVE, SESSION, TIME
from contracts.session.archive import ArchiveSession, ArchiveView, GetArchive, ReadArchive
from contracts.session.session import GetSession, ResumeSession
from contracts.session.values import Compression

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

ONE = f"/api/v1/sessions/{SESSION}"


def view(status: str = "ready", compression: Compression = "gzip", suffix: str = ".tar.gz") -> ArchiveView:
    return ArchiveView.model_validate(
        {
            "archive_id": ARCHIVE,
            "session_id": SESSION,
            "status": status,
            "compression": compression,
            "archive_path": f"/archives/{ARCHIVE}{suffix}",
            "archive_size_bytes": 5,
            "file_count": 1,
            "left_out": 0,
            "created_at": TIME,
        }
    )


PACKING, PACKED = samples.session(status="archived", ready=False), samples.session(status="archived")
FAILURE = {"error_code": "STORAGE_FAILED", "error_detail": "No space left on device."}


async def test_an_archive_is_returned_when_it_is_packed(client: httpx.AsyncClient, services: FakeServices):
    sessions = iter([PACKING, PACKING, PACKED])
    await services.answer(ArchiveSession, view("packing"))
    await services.answer_with(GetSession, lambda _: next(sessions))
    await services.answer(GetArchive, view())
    response = await client.post(f"{ONE}/archive", json={"compression": "zstd"})
    body = response.json()
    assert (response.status_code, body["archive_id"], body["file_count"]) == (200, ARCHIVE, 1)
    assert (body["archive_path"], body["archive_size_bytes"]) == (f"/archives/{ARCHIVE}.tar.gz", 5)
    [command] = [m for m, _ in services.received if isinstance(m, ArchiveSession)]
    assert command.compression == "zstd"


async def test_an_archive_needs_no_body(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ArchiveSession, view("packing"))
    await services.answer(GetSession, PACKED)
    await services.answer(GetArchive, view())
    assert (await client.post(f"{ONE}/archive")).status_code == 200
    [command] = [m for m, _ in services.received if isinstance(m, ArchiveSession)]
    assert command.compression == "gzip"


async def test_slow_packing_is_503_with_the_address_of_the_archive(
    client: httpx.AsyncClient, services: FakeServices, harness: Harness
):
    harness.gateway.waits.timeout = 0.1
    await services.answer(ArchiveSession, view("packing"))
    await services.answer(GetSession, PACKING)
    response = await client.post(f"{ONE}/archive", json={})
    assert (response.status_code, f"{ONE}/archive" in response.json()["detail"]) == (503, True)


async def test_failed_packing_is_507_with_the_reason(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ArchiveSession, view("packing"))
    await services.answer(GetSession, samples.session(**FAILURE))
    response = await client.post(f"{ONE}/archive", json={})
    assert (response.status_code, response.json()["detail"]) == (507, FAILURE["error_detail"])


@each("code", [Code.SESSION_BUSY, Code.SESSION_ARCHIVED, Code.SESSION_NOT_READY])
async def test_a_session_that_cannot_be_archived_is_409(client: httpx.AsyncClient, services: FakeServices, code: Code):
    await services.answer(ArchiveSession, Refused(code=code, detail="No."))
    response = await client.post(f"{ONE}/archive", json={"compression": "none"})
    assert (response.status_code, response.json()["error_code"]) == (409, code)


async def test_an_unknown_compression_is_422(client: httpx.AsyncClient):
    assert (await client.post(f"{ONE}/archive", json={"compression": "rar"})).status_code == 422


async def test_an_archive_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetArchive, view("unpacking"))
    assert (await client.get(f"{ONE}/archive")).json()["status"] == "unpacking"


@each(
    ("compression", "suffix", "kind"),
    [
        ("gzip", ".tar.gz", "application/gzip"),
        ("bzip2", ".tar.bz2", "application/x-bzip2"),
        ("xz", ".tar.xz", "application/x-xz"),
        ("zstd", ".tar.zst", "application/zstd"),
        ("none", ".tar", "application/x-tar"),
    ],
)
async def test_a_downloaded_archive_has_its_name_and_media_type(
    client: httpx.AsyncClient, services: FakeServices, compression: Compression, suffix: str, kind: str
):
    await services.answer(GetArchive, view(compression=compression, suffix=suffix))
    await services.answer_with(ReadArchive, lambda query: part(query, kind))
    response = await client.get(f"{ONE}/archive/download", headers={"range": "bytes=1-"})
    assert (response.status_code, response.content, response.headers["content-type"]) == (206, b"ello", kind)
    assert response.headers["content-disposition"].endswith(f"{ARCHIVE}{suffix}")


async def test_a_resumed_session_is_returned_when_it_is_unpacked(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ResumeSession, PACKING)
    await services.answer(GetSession, samples.session())
    response = await client.post(f"{ONE}/resume")
    assert (response.status_code, response.json()["status"]) == (200, "active")


async def test_failed_unpacking_is_507_with_the_reason(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ResumeSession, PACKING)
    await services.answer(GetSession, samples.session(status="archived", **FAILURE))
    response = await client.post(f"{ONE}/resume")
    assert (response.status_code, response.json()["error_code"]) == (507, "STORAGE_FAILED")


async def test_an_earlier_failure_does_not_prevent_a_resume(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ResumeSession, samples.session(**FAILURE))
    assert (await client.post(f"{ONE}/resume")).status_code == 200


def part(query: ReadArchive, kind: str) -> FilePart:
    data = b"hello"[query.offset : query.offset + query.length]
    empty = FilePart.model_validate(
        {"size_bytes": 5, "modified_at": TIME, "etag": "e", "content_type": kind, "data": b""}
    )
    return empty.model_copy(update={"data": data})
