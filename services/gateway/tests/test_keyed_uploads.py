"""Large bodies of requests with an Idempotency-Key: they are in temporary files, whose number is limited."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from tempfile import SpooledTemporaryFile
from typing import Any

import httpx
import pytest
from contracts.session.workspace import UploadPart
from contracts.wire import MAX_FILE_BYTES
from gateway.entry.idempotency import bodies
from gateway.problems import Problem
from runtime.testing import background, eventually
from starlette.types import Message

from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.test_workspace import FILES, Store

LARGE = bytes(bodies.MAX_MEMORY_BYTES + 1)


@pytest.fixture(autouse=True)
async def store(services: FakeServices) -> Store:
    store = Store(services)
    await store.open()
    return store


async def put(client: httpx.AsyncClient, key: str, content: bytes | AsyncIterator[bytes] = LARGE) -> httpx.Response:
    return await client.put(f"{FILES}/a", content=content, headers={"idempotency-key": key})


def another(harness: Harness) -> httpx.AsyncClient:
    return harness.client(authorization=f"Bearer {harness.services.token(sub=str(OTHER))}")


class Held:
    """Uploads whose clients have sent much, and send the rest later."""

    def __init__(self, client: httpx.AsyncClient, number: int) -> None:
        self.client, self.number = client, number
        self.goes_on, self.begun, self.responses = asyncio.Event(), 0, list[httpx.Response]()

    async def _content(self) -> AsyncIterator[bytes]:
        yield LARGE
        self.begun += 1
        await self.goes_on.wait()
        yield b"rest"

    async def send(self) -> None:
        sent = (put(self.client, f"held-{number}", self._content()) for number in range(self.number))
        self.responses = await asyncio.gather(*sent)


async def open_held(stack: AsyncExitStack, client: httpx.AsyncClient, number: int) -> Held:
    held = Held(client, number)
    await stack.enter_async_context(background(held.send()))
    await eventually(lambda: held.begun == number)
    return held


async def test_the_largest_file_is_written_and_replayed(client: httpx.AsyncClient, store: Store):
    content = os.urandom(MAX_FILE_BYTES)
    first, again = [await put(client, "key", content) for _ in range(2)]
    assert (first.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert store.uploaded == content
    assert (await put(client, "key", content[:-1] + bytes([content[-1] ^ 1]))).json()[
        "error_code"
    ] == "IDEMPOTENCY_KEY_REUSED"
    assert (await put(client, "other", content + b"x")).status_code == 413


async def test_large_bodies_of_a_user_are_limited_in_number(client: httpx.AsyncClient, harness: Harness):
    async with AsyncExitStack() as stack:
        held = await open_held(stack, client, bodies.MAX_SPOOLED_OF_A_USER)
        response = await put(client, "one-more")
        assert (response.status_code, response.json()["error_code"]) == (429, "RATE_LIMIT_EXCEEDED")
        assert response.headers["retry-after"] == str(bodies.RETRY_AFTER)
        assert (await put(client, "small", LARGE[1:])).status_code == 201
        other = await stack.enter_async_context(another(harness))
        assert (await put(other, "one-more")).status_code == 201
        held.goes_on.set()
        await eventually(lambda: held.responses)
        assert {response.status_code for response in held.responses} == {201}
        assert (await put(client, "one-more")).status_code == 201


async def test_large_bodies_of_all_users_are_limited_in_number(
    client: httpx.AsyncClient, harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bodies, "MAX_SPOOLED", 1)
    async with AsyncExitStack() as stack:
        await open_held(stack, client, 1)
        other = await stack.enter_async_context(another(harness))
        response = await put(other, "key")
        assert (response.status_code, response.headers["retry-after"]) == (503, str(bodies.RETRY_AFTER))
    assert (await put(client, "key")).status_code == 201  # the held one was cut off


async def test_a_body_that_cannot_be_stored_is_507(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(SpooledTemporaryFile, "rollover", fail)
    response = await put(client, "key")
    assert (response.status_code, response.json()["error_code"]) == (507, "STORAGE_FAILED")
    assert services.of(UploadPart) == []


async def test_a_body_that_was_passed_on_does_not_count(monkeypatch: pytest.MonkeyPatch):
    async def receive() -> Message:
        return {"type": "http.request", "body": LARGE}

    monkeypatch.setattr(bodies, "MAX_SPOOLED", 1)
    spools = bodies.Spools()
    async with bodies.Body.read(receive, spools, "one") as body:
        with pytest.raises(Problem), spools.one("other"):
            pass
        while (await body.receive())["more_body"]:
            pass
        with spools.one("other"):
            pass
