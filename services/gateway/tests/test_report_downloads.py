"""Downloads of reports: names, media types, ranges, and links that need no access token."""

from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from contracts.files import FilePart
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.report.report import GetLinkedReport, GetReport, ReadLinkedReport, ReadReport
from contracts.report.values import MEDIA_TYPES, SUFFIXES
from contracts.samples import REPORT, TIME
from contracts.task_scheduler.values import ReportFormat
from gateway.files.file_names import MAX_NAME_BYTES, file_name
from gateway.routing.prefer import BYTES

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

DOWNLOAD = f"/api/v1/reports/{REPORT}/download"
LINKED = {"link": "bGluaw"}
DATA = b"hello"


def part(query: ReadReport | ReadLinkedReport, content_type: str = "application/pdf") -> FilePart:
    data = DATA[query.offset : query.offset + query.length]
    empty = {"size_bytes": len(DATA), "modified_at": TIME, "etag": "e", "content_type": content_type, "data": b""}
    return FilePart.model_validate(empty).model_copy(update={"data": data})


@pytest.fixture
async def report(services: FakeServices) -> FakeServices:
    for kind in (GetReport, GetLinkedReport):
        await services.answer(kind, samples.report())
    for kind in (ReadReport, ReadLinkedReport):
        await services.answer_with(kind, part)
    return services


@each("kind", MEDIA_TYPES)
async def test_a_report_is_downloaded_in_its_format_as_an_attachment(
    client: httpx.AsyncClient, services: FakeServices, kind: ReportFormat
):
    await services.answer(GetReport, samples.report(format=kind, title="Über 5/6"))
    await services.answer_with(ReadReport, lambda query: part(query, MEDIA_TYPES[kind]))
    response = await client.get(DOWNLOAD)
    assert (response.status_code, response.content, response.headers["content-type"]) == (200, DATA, MEDIA_TYPES[kind])
    name = response.headers["content-disposition"].removeprefix("attachment; filename*=UTF-8''")
    assert unquote(name) == f"Über 5 6{SUFFIXES[kind]}"


@each(
    ("accept", "expected"),
    [
        (BYTES, BYTES),
        (f"{BYTES}, text/html;q=0", BYTES),
        (f"application/pdf, {BYTES}", "application/pdf"),
        (f"{BYTES}, */*;q=0.1", "application/pdf"),
        ("text/html", "application/pdf"),
    ],
)
async def test_a_client_that_accepts_only_bytes_gets_a_file_as_bytes(
    client: httpx.AsyncClient, report: FakeServices, accept: str, expected: str
):
    headers = (await client.get(DOWNLOAD, headers={"accept": accept})).headers
    assert (headers["content-type"], headers["vary"]) == (expected, "Accept")


async def test_a_browser_may_not_render_a_downloaded_report(client: httpx.AsyncClient, report: FakeServices):
    headers = (await client.get(DOWNLOAD)).headers
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'", "sandbox"} == set(policy)


async def test_a_part_of_a_report_is_downloaded(client: httpx.AsyncClient, report: FakeServices):
    response = await client.get(DOWNLOAD, headers={"range": "bytes=1-2"})
    assert (response.status_code, response.content) == (206, b"el")
    assert response.headers["content-range"] == "bytes 1-2/5"


async def test_an_unchanged_report_is_304(client: httpx.AsyncClient, report: FakeServices):
    response = await client.get(DOWNLOAD, headers={"if-none-match": '"e"'})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"e"')


async def test_a_range_outside_of_a_report_is_416(client: httpx.AsyncClient, report: FakeServices):
    assert (await client.get(DOWNLOAD, headers={"range": "bytes=9-"})).status_code == 416


@each(
    ("code", "status"),
    [
        (Code.REPORT_NOT_READY, 409),
        (Code.REPORT_HAS_NO_FILE, 409),
        (Code.FILE_CHANGED, 409),
        (Code.STORAGE_FAILED, 507),
    ],
)
async def test_a_report_without_a_file_is_a_problem(
    client: httpx.AsyncClient, report: FakeServices, code: Code, status: int
):
    await report.answer(ReadReport, Refused(code=code, detail="No."))
    response = await client.get(DOWNLOAD)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


@each("role", [None, "user", "viewer"])
async def test_the_holder_of_a_link_needs_no_access_token(harness: Harness, report: FakeServices, role: str | None):
    async with harness.client(role) as client:
        response = await client.get(DOWNLOAD, params=LINKED, headers={"range": "bytes=1-"})
    assert (response.status_code, response.content) == (206, b"ello")
    for message, envelope in report.received[-3:]:
        assert isinstance(message, GetLinkedReport | ReadLinkedReport)
        assert (message.token, envelope.actor) == ("bGluaw", None)


@pytest.mark.parametrize("token", ["", "forged"])
async def test_an_invalid_link_is_404(anonymous: httpx.AsyncClient, services: FakeServices, token: str):
    await services.answer(GetLinkedReport, Refused(code=Code.LINK_NOT_VALID, detail="No."))
    response = await anonymous.get(DOWNLOAD, params={"link": token})
    assert (response.status_code, response.json()["error_code"]) == (404, "LINK_NOT_VALID")


@each("path", ["", "/download?token=bGluaw", "?link=bGluaw"])
async def test_a_link_opens_nothing_but_the_download(anonymous: httpx.AsyncClient, report: FakeServices, path: str):
    assert (await anonymous.get(f"/api/v1/reports/{REPORT}{path}")).status_code == 401


@each(
    ("title", "stem"),
    [
        ("My Session", "My Session"),
        ("日本語 🙂 عربى", "日本語 🙂 عربى"),
        ("../../etc/passwd", "etc passwd"),
        ('a<b>:"c|d?*\\e', "a b c d e"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("zero\u200bwidth\x07\x00\x7f", "zerowidth"),
        ("line\nbreak\ttab", "line break tab"),
        (" ..hidden. ", "hidden"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("CON", "report CON"),
        ("nul.txt", "report nul.txt"),
        ("\u202e ./", "report"),
        ("", "report"),
    ],
)
def test_a_file_name_is_safe_and_reads_like_the_title(title: str, stem: str):
    assert file_name(title, ".pdf", "report") == f"{stem}.pdf"


@each("char", ["x", "é", "語", "🙂"])
def test_a_long_file_name_is_cut_between_characters(char: str):
    stem = file_name(char * 300, "", "report")
    assert MAX_NAME_BYTES - 4 < len(stem.encode()) <= MAX_NAME_BYTES
    assert set(stem) == {char}


def test_the_download_of_a_report_documents_its_formats_and_links(document: dict[str, Any]):
    operation = document["paths"]["/api/v1/reports/{report_id}/download"]["get"]
    types = {media_type.partition(";")[0] for media_type in MEDIA_TYPES.values()}
    assert set(operation["responses"]["200"]["content"]) == {BYTES, *types}
    assert operation["security"] == [{"bearer": []}, {"api_key": []}, {}]
