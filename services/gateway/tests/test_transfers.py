"""Uploads and downloads that are in progress when the access of their client is revoked."""

from collections.abc import AsyncGenerator
from math import inf
from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest
from contracts.files import FilePart
from contracts.identity.values import Role
from contracts.samples import FAMILY, SESSION, TIME
from contracts.session.session import CreateSession
from contracts.session.workspace import FileView, FileWritten, ReadFile, UploadPart, WriteFile
from contracts.wire import MAX_PART_BYTES
from gateway.clients.auth import tokens

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.test_access import known, publish

FILE = f"/api/v1/sessions/{SESSION}/workspace/a"
PARTS = 4
CREDENTIALS_LOST = (401, "UNAUTHENTICATED")


async def interrupted(harness: Harness, services: FakeServices, *, role: Role | None) -> AsyncGenerator[bytes]:
    """Yield a JSON body, in the middle of which the client is disabled or gets another role."""
    yield b'{"name": '
    if role:
        await publish(services, role=role)
    else:
        await publish(services, is_active=False)
    await known(harness)
    yield b'"a"}'


@each("role", [None, "viewer"])
@each("headers", [{}, {"idempotency-key": "one"}])
@each(("method", "path"), [("PUT", FILE), ("POST", "/api/v1/sessions")])
async def test_a_body_is_401_if_its_client_loses_access_meanwhile(
    client: httpx.AsyncClient,
    harness: Harness,
    services: FakeServices,
    role: Role | None,
    headers: dict[str, str],
    method: str,
    path: str,
):
    headers |= {"content-type": "application/json"}
    body = interrupted(harness, services, role=role)
    response = await client.request(method, path, content=body, headers=headers)
    assert (response.status_code, response.json()["error_code"]) == CREDENTIALS_LOST
    assert services.of(WriteFile, UploadPart, CreateSession) == []


async def test_a_download_ends_when_its_token_is_revoked(base_url: str, services: FakeServices, harness: Harness):
    def part(query: ReadFile) -> FilePart:
        if query.offset:
            harness.gateway.revocations.add(UUID(FAMILY))
        view = {"size_bytes": PARTS * MAX_PART_BYTES, "modified_at": TIME, "etag": "e", "content_type": "a/b"}
        return FilePart.model_validate(view | {"data": b""}).model_copy(update={"data": bytes(query.length)})

    await services.answer_with(ReadFile, part)
    token = {"authorization": f"Bearer {services.token()}"}
    async with httpx.AsyncClient(base_url=base_url, headers=token, timeout=60) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(FILE)
    assert [read.offset for read in services.of(ReadFile) if read.length] == [0, MAX_PART_BYTES]


async def test_an_upload_may_outlast_its_token(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    async def body() -> AsyncGenerator[bytes]:
        monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: inf))
        yield b"x"

    file = FileView.model_validate({"path": "a", "type": "file", "size_bytes": 1, "modified_at": TIME})
    await services.answer(UploadPart, None)
    await services.answer(WriteFile, FileWritten(file=file, created=True))
    assert (await client.put(FILE, content=body())).status_code == 201
