"""Bodies that are no JSON, too large, or hold what they may not."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from contracts.session.session import CreateSession

from services.gateway.tests import samples
from services.gateway.tests.stand_ins import Services

SESSIONS = "/api/v1/sessions"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"name": NaN', b'{"name": "\x00"}'])
async def test_malformed_json_is_400(client: httpx.AsyncClient, body: bytes):
    answer = await client.post(SESSIONS, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_JSON")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "json"])
async def test_another_media_type_is_415(client: httpx.AsyncClient, kind: str):
    answer = await client.post(SESSIONS, content=b"{}", headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
async def test_json_by_another_name_is_taken(client: httpx.AsyncClient, services: Services, kind: str):
    await services.answer(CreateSession, samples.session())
    answer = await client.post(SESSIONS, content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 201


async def test_a_body_that_announces_too_much_is_413(client: httpx.AsyncClient):
    answer = await client.post(SESSIONS, content=b" " * (1024 * 1024 + 1), headers=JSON)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.headers["x-request-id"]


async def test_a_body_that_becomes_too_much_is_413(client: httpx.AsyncClient):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    answer = await client.post(SESSIONS, content=chunks(), headers=JSON)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_of_a_mebibyte_is_taken(client: httpx.AsyncClient, services: Services):
    await services.answer(CreateSession, samples.session())
    answer = await client.post(SESSIONS, content=b"{}" + b" " * (1024 * 1024 - 2), headers=JSON)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "body",
    [b'{"name": "a\\u0000b"}', b'{"sdk_options": {"allowed_tools": ["\\u0000"]}}', b'{"\\u0000": 1}'],
)
async def test_a_nul_character_is_422(client: httpx.AsyncClient, body: bytes):
    answer = await client.post(SESSIONS, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["errors"][0]["type"]) == (422, "nul_character")


async def test_text_about_a_nul_character_is_taken(client: httpx.AsyncClient, services: Services):
    await services.answer(CreateSession, samples.session())
    answer = await client.post(SESSIONS, content=rb'{"name": "the escape \\u0000"}', headers=JSON)
    assert answer.status_code == 201


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"null", b"7"])
async def test_a_body_that_is_no_object_is_422(client: httpx.AsyncClient, body: bytes):
    answer = await client.post(SESSIONS, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_an_unknown_field_is_named_and_cut_short(client: httpx.AsyncClient):
    answer = await client.post(SESSIONS, json={"x" * 10_000: 1})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["type"]) == (422, "extra_forbidden")
    assert error["loc"] == ["body", "x" * 100]
    assert error["msg"] == "Unknown field"


async def test_many_errors_are_not_all_listed(client: httpx.AsyncClient):
    answer = await client.post(SESSIONS, json={f"field{n}": 1 for n in range(1_000)})
    assert len(answer.json()["errors"]) == 20


async def test_lone_surrogates_are_422(client: httpx.AsyncClient):
    answer = await client.post(SESSIONS, content=rb'{"name": "\ud800", "\udfff": 1}', headers=JSON)
    assert answer.status_code == 422


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "latin-1"])
async def test_json_that_is_not_utf8_is_400(client: httpx.AsyncClient, encoding: str):
    answer = await client.post(SESSIONS, content=r'{"name": "é\u0000"}'.encode(encoding), headers=JSON)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_JSON")


@pytest.mark.parametrize(
    "value",
    [f"[{'1,' * 20_000}0]", json.dumps({f"field{n}": 1 for n in range(10_001)}), f"[{'[],' * 20_000}0]"],
)
async def test_a_body_of_very_many_values_is_422_with_one_error(client: httpx.AsyncClient, value: str):
    answer = await client.post(SESSIONS, content=f'{{"metadata": {value}}}', headers=JSON)
    assert (answer.status_code, [error["type"] for error in answer.json()["errors"]]) == (422, ["too_many_values"])


@pytest.mark.parametrize("path", ["register", "login", "refresh"])
async def test_a_body_before_login_is_small(stranger: httpx.AsyncClient, path: str):
    body = {f"field{n}": 1 for n in range(50_000)}
    answer = await stranger.post(f"/api/v1/auth/{path}", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_before_login_has_few_values(stranger: httpx.AsyncClient):
    answer = await stranger.post("/api/v1/auth/login", json={f"field{n}": 1 for n in range(100)})
    assert [error["type"] for error in answer.json()["errors"]] == ["too_many_values"]


async def test_a_stranger_is_told_so_before_their_body_is_read(stranger: httpx.AsyncClient):
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(5):
            read += 1
            yield b" " * 100_000

    answer = await stranger.post(SESSIONS, content=chunks(), headers=JSON)
    assert (answer.status_code, read) == (401, 0)
