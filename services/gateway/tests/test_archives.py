"""Archives over HTTP: the answer waits eventually all is packed."""

import httpx
import pytest
from contracts.files import FilePart
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import ARCHIVE, SESSION, TIME
from contracts.session.archive import ArchiveSession, ArchiveView, GetArchive, ReadArchive
from contracts.session.run import ResumeSession
from contracts.session.session import GetSession
from contracts.session.values import Compression

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

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


async def test_an_archive_is_answered_when_it_is_packed(client: httpx.AsyncClient, services: Services):
    sessions = iter([PACKING, PACKING, PACKED])
    await services.answer(ArchiveSession, view("packing"))
    await services.answer_with(GetSession, lambda _: next(sessions))
    await services.answer(GetArchive, view())
    answer = await client.post(f"{ONE}/archive", json={"compression": "zstd"})
    shown = answer.json()
    assert (answer.status_code, shown["archive_id"], shown["file_count"]) == (200, ARCHIVE, 1)
    assert (shown["archive_path"], shown["archive_size_bytes"]) == (f"/archives/{ARCHIVE}.tar.gz", 5)
    [command] = [m for m, _ in services.heard if isinstance(m, ArchiveSession)]
    assert command.compression == "zstd"


async def test_an_archive_needs_no_body(client: httpx.AsyncClient, services: Services):
    await services.answer(ArchiveSession, view("packing"))
    await services.answer(GetSession, PACKED)
    await services.answer(GetArchive, view())
    assert (await client.post(f"{ONE}/archive")).status_code == 200
    [command] = [m for m, _ in services.heard if isinstance(m, ArchiveSession)]
    assert command.compression == "gzip"


async def test_an_archive_that_takes_too_long_is_503_and_says_where_to_look(
    client: httpx.AsyncClient, services: Services, door: Door
):
    door.gateway.waits.timeout = 0.1
    await services.answer(ArchiveSession, view("packing"))
    await services.answer(GetSession, PACKING)
    answer = await client.post(f"{ONE}/archive", json={})
    assert (answer.status_code, f"{ONE}/archive" in answer.json()["detail"]) == (503, True)


async def test_an_archive_that_could_not_be_packed_is_507_and_says_why(client: httpx.AsyncClient, services: Services):
    await services.answer(ArchiveSession, view("packing"))
    await services.answer(GetSession, samples.session(**FAILURE))
    answer = await client.post(f"{ONE}/archive", json={})
    assert (answer.status_code, answer.json()["detail"]) == (507, FAILURE["error_detail"])


@pytest.mark.parametrize("code", [Code.SESSION_BUSY, Code.SESSION_ARCHIVED, Code.SESSION_NOT_READY])
async def test_a_session_that_cannot_be_archived_is_409(client: httpx.AsyncClient, services: Services, code: Code):
    await services.answer(ArchiveSession, Refused(code=code, detail="No."))
    answer = await client.post(f"{ONE}/archive", json={"compression": "none"})
    assert (answer.status_code, answer.json()["error_code"]) == (409, code)


async def test_an_unknown_compression_is_422(client: httpx.AsyncClient):
    assert (await client.post(f"{ONE}/archive", json={"compression": "rar"})).status_code == 422


async def test_an_archive_is_shown(client: httpx.AsyncClient, services: Services):
    await services.answer(GetArchive, view("unpacking"))
    assert (await client.get(f"{ONE}/archive")).json()["status"] == "unpacking"


@pytest.mark.parametrize(
    ("compression", "suffix", "kind"),
    [
        ("gzip", ".tar.gz", "application/gzip"),
        ("bzip2", ".tar.bz2", "application/x-bzip2"),
        ("xz", ".tar.xz", "application/x-xz"),
        ("zstd", ".tar.zst", "application/zstd"),
        ("none", ".tar", "application/x-tar"),
    ],
)
async def test_an_archive_is_downloaded_under_its_name_and_kind(
    client: httpx.AsyncClient, services: Services, compression: Compression, suffix: str, kind: str
):
    await services.answer(GetArchive, view(compression=compression, suffix=suffix))
    await services.answer_with(ReadArchive, lambda asked: part(asked, kind))
    answer = await client.get(f"{ONE}/archive/download", headers={"range": "bytes=1-"})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (206, b"ello", kind)
    assert answer.headers["content-disposition"].endswith(f"{ARCHIVE}{suffix}")


async def test_a_session_is_opened_again_when_all_is_unpacked(client: httpx.AsyncClient, services: Services):
    await services.answer(ResumeSession, PACKING)
    await services.answer(GetSession, samples.session())
    answer = await client.post(f"{ONE}/resume")
    assert (answer.status_code, answer.json()["status"]) == (200, "active")


async def test_a_session_that_could_not_be_unpacked_is_507_and_says_why(client: httpx.AsyncClient, services: Services):
    await services.answer(ResumeSession, PACKING)
    await services.answer(GetSession, samples.session(status="archived", **FAILURE))
    answer = await client.post(f"{ONE}/resume")
    assert (answer.status_code, answer.json()["error_code"]) == (507, "STORAGE_FAILED")


async def test_what_failed_before_does_not_keep_a_session_from_being_resumed(
    client: httpx.AsyncClient, services: Services
):
    await services.answer(ResumeSession, samples.session(**FAILURE))
    assert (await client.post(f"{ONE}/resume")).status_code == 200


def part(asked: ReadArchive, kind: str) -> FilePart:
    data = b"hello"[asked.offset : asked.offset + asked.length]
    empty = FilePart.model_validate(
        {"size_bytes": 5, "modified_at": TIME, "etag": "e", "content_type": kind, "data": b""}
    )
    return empty.model_copy(update={"data": data})
