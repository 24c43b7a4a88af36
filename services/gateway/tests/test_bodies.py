"""Request bodies: media types, JSON, sizes and forbidden content."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
from contracts.samples import SESSION
from contracts.session.session import CreateSession, DeleteSession
from gateway.problems.json_errors import find_violation, may_violate

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

SESSIONS = "/api/v1/sessions"
JSON = {"content-type": "application/json"}


@each("body", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"name": NaN', b'{"name": "\x00"}'])
async def test_malformed_json_is_400(client: httpx.AsyncClient, body: bytes):
    response = await client.post(SESSIONS, content=body, headers=JSON)
    assert (response.status_code, response.json()["error_code"]) == (400, "MALFORMED_JSON")


@each(
    ("body", "position"),
    [
        (b'{"name": "x" "mode": "y"}', "line 1, column 14: expected `,`"),
        (b'{"name": "x",\n name}', "line 2, column 2: expected a name"),
        (b'{"name": }', "line 1, column 10: expected a value"),
        (b'{"name": "x', "line 1, column 10: the text that begins here has no end"),
        (b'{"name": "\\x"}', "line 1, column 11: this escape does not exist"),
        (b"{} {}", "line 1, column 4: expected the end"),
        (b"1" * 5000, "too many digits"),
    ],
)
async def test_malformed_json_is_explained(client: httpx.AsyncClient, body: bytes, position: str):
    assert position in (await client.post(SESSIONS, content=body, headers=JSON)).json()["detail"]


@each("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "json"])
async def test_another_media_type_is_415(client: httpx.AsyncClient, kind: str):
    response = await client.post(SESSIONS, content=b"{}", headers={"content-type": kind})
    assert (response.status_code, response.json()["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@each("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
async def test_other_json_media_types_are_accepted(client: httpx.AsyncClient, services: FakeServices, kind: str):
    await services.answer(CreateSession, samples.session())
    response = await client.post(SESSIONS, content=b"{}", headers={"content-type": kind})
    assert response.status_code == 201


async def test_a_too_large_content_length_is_413(client: httpx.AsyncClient):
    response = await client.post(SESSIONS, content=b" " * (1024 * 1024 + 1), headers=JSON)
    assert (response.status_code, response.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert response.headers["x-request-id"]


async def test_a_too_large_chunked_body_is_413(client: httpx.AsyncClient):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    response = await client.post(SESSIONS, content=chunks(), headers=JSON)
    assert (response.status_code, response.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")


@each("name", ["register", "login", "refresh", "change-password", "reset-password"])
async def test_a_body_without_a_length_is_read_up_to_the_limit_only(client: httpx.AsyncClient, name: str):
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b" " * 10_000

    response = await client.post(f"/api/v1/auth/{name}", content=chunks(), headers=JSON)
    assert (response.status_code, response.json()["error_code"], sent) == (413, "PAYLOAD_TOO_LARGE", 4)


async def test_a_body_of_one_mebibyte_is_accepted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    response = await client.post(SESSIONS, content=b"{}" + b" " * (1024 * 1024 - 2), headers=JSON)
    assert response.status_code == 201


@each(
    "body",
    [b'{"name": "a\\u0000b"}', b'{"sdk_options": {"allowed_tools": ["\\u0000"]}}', b'{"\\u0000": 1}'],
)
async def test_a_nul_character_is_422(client: httpx.AsyncClient, body: bytes):
    response = await client.post(SESSIONS, content=body, headers=JSON)
    assert (response.status_code, response.json()["errors"][0]["type"]) == (422, "nul_character")


@each("body", [b'{"name": "\\ud800"}', b'{"metadata": {"a": ["\\udfff"]}}', b'{"\\ud800": 1}'])
async def test_half_of_a_character_is_422(client: httpx.AsyncClient, body: bytes):
    response = await client.post(SESSIONS, content=body, headers=JSON)
    assert (response.status_code, response.json()["errors"][0]["type"]) == (422, "string_unicode")


async def test_an_escaped_backslash_before_u0000_is_accepted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    response = await client.post(SESSIONS, content=rb'{"name": "the escape \\u0000"}', headers=JSON)
    assert response.status_code == 201


@each("body", [b"", b"[]", b'"x"', b"null", b"7"])
async def test_a_body_that_is_not_an_object_is_422(client: httpx.AsyncClient, body: bytes):
    response = await client.post(SESSIONS, content=body, headers=JSON)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_the_name_of_an_unknown_field_is_truncated_in_the_error(client: httpx.AsyncClient):
    response = await client.post(SESSIONS, json={"x" * 10_000: 1})
    [error] = response.json()["errors"]
    assert (response.status_code, error["type"]) == (422, "extra_forbidden")
    assert error["loc"] == ["body", "x" * 100]
    assert error["msg"] == "Unknown field"


async def test_the_number_of_listed_errors_is_limited(client: httpx.AsyncClient):
    response = await client.post(SESSIONS, json={f"field{n}": 1 for n in range(1_000)})
    assert len(response.json()["errors"]) == 20


async def test_lone_surrogates_are_422(client: httpx.AsyncClient):
    response = await client.post(SESSIONS, content=rb'{"name": "\ud800", "\udfff": 1}', headers=JSON)
    assert response.status_code == 422


@each("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "latin-1"])
async def test_json_in_another_encoding_than_utf8_is_400(client: httpx.AsyncClient, encoding: str):
    response = await client.post(SESSIONS, content=r'{"name": "é\u0000"}'.encode(encoding), headers=JSON)
    assert (response.status_code, response.json()["error_code"]) == (400, "MALFORMED_JSON")


@each(
    "value",
    [f"[{'1,' * 20_000}0]", json.dumps({f"field{n}": 1 for n in range(10_001)}), f"[{'[],' * 20_000}0]"],
)
async def test_a_body_with_too_many_values_is_422_with_one_error(client: httpx.AsyncClient, value: str):
    response = await client.post(SESSIONS, content=f'{{"metadata": {value}}}', headers=JSON)
    assert (response.status_code, [error["type"] for error in response.json()["errors"]]) == (422, ["too_many_values"])


@each("path", ["register", "login", "refresh"])
async def test_a_large_body_without_a_login_is_413(anonymous: httpx.AsyncClient, path: str):
    body = {f"field{n}": 1 for n in range(50_000)}
    response = await anonymous.post(f"/api/v1/auth/{path}", json=body)
    assert (response.status_code, response.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_the_values_of_a_body_without_a_login_are_limited(anonymous: httpx.AsyncClient):
    response = await anonymous.post("/api/v1/auth/login", json={f"field{n}": 1 for n in range(100)})
    assert [error["type"] for error in response.json()["errors"]] == ["too_many_values"]


async def test_a_missing_token_is_401_before_the_body_is_read(anonymous: httpx.AsyncClient):
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(5):
            read += 1
            yield b" " * 100_000

    response = await anonymous.post(SESSIONS, content=chunks(), headers=JSON)
    assert (response.status_code, read) == (401, 0)


def operations_without_a_body(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in ("post", "put", "patch", "delete") and "requestBody" not in operation
    ]


async def test_a_field_is_422_where_there_is_no_body(harness: Harness, document: dict[str, Any]):
    statuses = dict[tuple[str, str], int]()
    async with harness.client("admin") as admin:
        for method, path in operations_without_a_body(document):
            response = await admin.request(method, re.sub("{.*?}", SESSION, path), json={"force": True})
            statuses[method, path] = response.status_code
            assert response.json()["errors"] == [
                {"loc": ["body", "force"], "msg": "Unknown field", "type": "extra_forbidden"}
            ]
    assert len(statuses) > 20
    assert set(statuses.values()) == {422}


@each("body", [b"", b"{}", b"null", b"{", b" " * 100])
async def test_a_body_without_fields_is_ignored_where_there_is_none(
    client: httpx.AsyncClient, services: FakeServices, body: bytes
):
    await services.answer(DeleteSession, None)
    response = await client.request("DELETE", f"{SESSIONS}/{SESSION}", content=body, headers=JSON)
    assert response.status_code == 204


async def test_a_stranger_learns_nothing_of_fields(anonymous: httpx.AsyncClient):
    response = await anonymous.request("DELETE", f"{SESSIONS}/{SESSION}", json={"force": True})
    assert response.status_code == 401


@each(
    "text",
    ["[]", "{}", '""', "[1,2,3]", '{"a":1,"b":[{},{"c":null}],"d":"e,f"}', '[[[[]]],{"x":{"y":{}}}]'],
)
def test_bodies_with_many_values_are_found_without_reading_them(text: str) -> None:
    number = next(n for n in range(100) if find_violation(json.loads(text), n) is None)
    assert all(may_violate(text.encode(), fewer) for fewer in range(number))


@each("text", [r'["\u0000"]', r'{"\u0000": 1}', r'["\ud800"]', r'["\\\u0000"]'])
def test_bodies_that_may_hold_what_cannot_be_stored_are_read(text: str) -> None:
    assert find_violation(json.loads(text))
    assert may_violate(text.encode())
