"""HEAD requests: every route with GET has HEAD."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from contracts.files import FilePart
from contracts.samples import SESSION
from contracts.session.session import GetSession
from contracts.session.workspace import ReadFile
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

ONE = f"/api/v1/sessions/{SESSION}"
VARYING_HEADERS = {"date", "x-request-id", "x-response-time"}
"""Headers that differ from one response to the next."""


def stable_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in VARYING_HEADERS}


@pytest.fixture
async def caller(base_url: str, services: FakeServices) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {services.token()}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as caller:
        yield caller


@each("path", [ONE, "/health", "/health/live", "/docs", "/api/v1/openapi.json", "/console/", "/no"])
async def test_head_equals_get_without_the_body(caller: httpx.AsyncClient, services: FakeServices, path: str):
    await services.answer(GetSession, samples.session())
    got, head = await caller.get(path), await caller.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert stable_headers(head) == stable_headers(got)


async def test_head_of_a_file_reads_only_its_beginning(caller: httpx.AsyncClient, services: FakeServices):
    def part(query: ReadFile) -> FilePart:
        data = b"x" * min(query.length, 1000 - query.offset)
        return FilePart(size_bytes=10_000_000, modified_at=samples.session().created_at, etag="1", data=data)

    await services.answer_with(ReadFile, part)
    head = await caller.head(f"{ONE}/workspace/a.txt")
    assert (head.status_code, head.headers["content-length"]) == (200, "10000000")
    assert len(services.received) <= 3


async def test_head_of_a_stream_leaves_no_stream_open(
    caller: httpx.AsyncClient, services: FakeServices, harness: Harness
):
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    head = await caller.head(f"{ONE}/events")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    await eventually(lambda: not harness.gateway.streams.open)


async def test_head_of_a_route_without_get_is_405(caller: httpx.AsyncClient):
    head = await caller.head(f"{ONE}/query")
    assert (head.status_code, head.headers["allow"]) == (405, "POST")


async def test_head_is_counted_as_head(caller: httpx.AsyncClient):
    await caller.head("/health")
    assert 'api_requests_total{method="HEAD",path="/health"}' in (await caller.get("/metrics")).text
