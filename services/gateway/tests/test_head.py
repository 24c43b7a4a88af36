"""HEAD, wherever GET is."""

import httpx
import pytest
from contracts.files import FilePart
from contracts.samples import SESSION
from contracts.session.session import GetSession
from contracts.session.workspace import ReadFile
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

ONE = f"/api/v1/sessions/{SESSION}"
OF_THIS_ANSWER = {"date", "x-request-id", "x-response-time"}
"""Headers that differ from one answer to the next."""


def stable(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_THIS_ANSWER}


@pytest.fixture
async def caller(base_url: str, services: Services) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {services.token()}"}
    return httpx.AsyncClient(base_url=base_url, headers=headers)


@pytest.mark.parametrize("path", [ONE, "/health", "/health/live", "/docs", "/api/v1/openapi.json", "/console/", "/no"])
async def test_head_answers_as_get_without_a_body(caller: httpx.AsyncClient, services: Services, path: str):
    await services.answer(GetSession, samples.session())
    async with caller:
        got, head = await caller.get(path), await caller.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert stable(head) == stable(got)


async def test_head_of_a_file_reads_no_more_than_its_beginning(caller: httpx.AsyncClient, services: Services):
    def part(query: ReadFile) -> FilePart:
        data = b"x" * min(query.length, 1000 - query.offset)
        return FilePart(size_bytes=10_000_000, modified_at=samples.session().created_at, etag="1", data=data)

    await services.answer_with(ReadFile, part)
    async with caller:
        head = await caller.head(f"{ONE}/workspace/a.txt")
    assert (head.status_code, head.headers["content-length"]) == (200, "10000000")
    assert len(services.heard) <= 3


async def test_head_of_a_stream_leaves_no_stream_open(caller: httpx.AsyncClient, services: Services, door: Door):
    await services.open_streams()
    await services.answer(GetSession, samples.session())
    async with caller:
        head = await caller.head(f"{ONE}/events")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    await eventually(lambda: not door.gateway.streams.open)


async def test_head_where_there_is_no_get_is_405(caller: httpx.AsyncClient):
    async with caller:
        head = await caller.head(f"{ONE}/query")
    assert (head.status_code, head.headers["allow"]) == (405, "POST")


async def test_head_is_counted_as_head(caller: httpx.AsyncClient):
    async with caller:
        await caller.head("/health")
        assert 'api_requests_total{method="HEAD",path="/health"}' in (await caller.get("/metrics")).text
