"""Verification of access tokens."""

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from contracts.identity.user import GetUser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.clients.auth import tokens
from jwt.algorithms import OKPAlgorithm

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

ME = "/api/v1/auth/me"


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


async def refused(client: httpx.AsyncClient, authorization: str | bytes) -> httpx.Response:
    response = await client.get(ME, headers=[(b"authorization", _bytes(authorization))])
    assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"].startswith("Bearer")
    return response


@each("scheme", ["Bearer", "bearer", "BEARER "])
async def test_a_valid_token_is_accepted(anonymous: httpx.AsyncClient, services: FakeServices, scheme: str):
    await services.answer(GetUser, samples.user())
    response = await anonymous.get(ME, headers={"authorization": f"{scheme} {services.token()}"})
    assert response.status_code == 200


async def test_a_missing_token_is_401(anonymous: httpx.AsyncClient):
    assert (await anonymous.get(ME)).status_code == 401


@each("query", ["nonsense=1", "page=x", "nonsense=1&page=x"])
@each("path", [ME, "/api/v1/sessions", "/api/v1/sessions/x"])
async def test_invalid_parameters_without_a_token_are_401(anonymous: httpx.AsyncClient, path: str, query: str):
    assert (await anonymous.get(f"{path}?{query}")).status_code == 401


@each("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "x"])
async def test_another_scheme_is_401(anonymous: httpx.AsyncClient, header: str):
    await refused(anonymous, header)


@each("token", ["x", "a.b.c", "a.b", "....", "null", "é", "a" * 10_000, "e30.e30.e30", "W10.e30.e30"])
async def test_a_malformed_token_is_401(anonymous: httpx.AsyncClient, token: str):
    await refused(anonymous, f"Bearer {token}".encode())


async def test_a_deeply_nested_token_header_is_401(anonymous: httpx.AsyncClient):
    header = base64.urlsafe_b64encode(b"[" * 2900).decode()
    await refused(anonymous, f"Bearer {header}.e30.e30")


async def test_an_unsigned_token_is_401(anonymous: httpx.AsyncClient, services: FakeServices):
    _, claims, _ = services.token().split(".")
    for algorithm in ("none", "None", "NONE"):
        await refused(anonymous, f"Bearer {part({'alg': algorithm, 'typ': 'JWT', 'kid': 'key-0'})}.{claims}.")


async def test_a_token_signed_with_the_public_key_as_a_secret_is_401(
    anonymous: httpx.AsyncClient, services: FakeServices
):
    public = services.keys[0].public_key().public_bytes_raw()
    token = jwt.encode({"sub": "x"}, public, "HS256", {"kid": "key-0"})
    await refused(anonymous, f"Bearer {token}")


@each("algorithm", ["HS256", "HS512", "ES256", "RS256", "EdDSA "])
async def test_another_algorithm_in_the_header_is_401(
    anonymous: httpx.AsyncClient, services: FakeServices, algorithm: str
):
    _, claims, signature = services.token().split(".")
    header = part({"alg": algorithm, "typ": "JWT", "kid": "key-0"})
    await refused(anonymous, f"Bearer {header}.{claims}.{signature}")


async def test_a_key_that_the_token_brings_along_is_not_used(anonymous: httpx.AsyncClient, services: FakeServices):
    own = Ed25519PrivateKey.generate()
    jwk = OKPAlgorithm.to_jwk(own.public_key(), as_dict=True)
    claims = jwt.decode(services.token(), options={"verify_signature": False})
    for more in ({"jwk": jwk}, {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/keys"}):
        await refused(anonymous, f"Bearer {jwt.encode(claims, own, 'EdDSA', {'kid': 'key-0', **more})}")


@each("key_id", ["../../etc/passwd", "/dev/null", "key-0\0", "key-0' OR '1'='1", "http://127.0.0.1/"])
async def test_a_key_id_is_a_name_and_nothing_else(anonymous: httpx.AsyncClient, services: FakeServices, key_id: str):
    await refused(anonymous, f"Bearer {services.token(header={'kid': key_id})}")


async def test_the_audience_must_be_this_service(anonymous: httpx.AsyncClient, services: FakeServices):
    for audience in (["other"], [], "", "agentapi-other"):
        await refused(anonymous, f"Bearer {services.token(aud=audience)}")


async def test_a_tampered_token_is_401(anonymous: httpx.AsyncClient, services: FakeServices):
    header, claims, signature = services.token().split(".")
    stronger = jwt.decode(services.token(), options={"verify_signature": False}) | {"role": "admin"}
    await refused(anonymous, f"Bearer {header}.{part(stronger)}.{signature}")
    await refused(anonymous, f"Bearer {header}.{claims}.{signature[:-4]}AAAA")
    await refused(anonymous, f"Bearer {header}.{claims}")


async def test_a_token_signed_with_another_key_is_401(anonymous: httpx.AsyncClient, services: FakeServices):
    services.keys.append(Ed25519PrivateKey.generate())
    await refused(anonymous, f"Bearer {services.token(1, {'kid': 'key-0'})}")


@each("key_id", ["other", "", None, 7, ["key-0"]])
async def test_an_unknown_key_is_401(anonymous: httpx.AsyncClient, services: FakeServices, key_id: Any):
    _, claims, signature = services.token().split(".")
    await refused(anonymous, f"Bearer {part({'alg': 'EdDSA', 'kid': key_id})}.{claims}.{signature}")


@each(
    "claims",
    [
        {"exp": int(time.time()) - 1},
        {"nbf": int(time.time()) + 86_400},
        {"iss": "other"},
        {"aud": "other"},
        {"sub": "ada"},
        {"role": "root"},
        {"sid": 7},
        *({name: None} for name in ("iss", "aud", "sub", "jti", "iat", "exp", "role", "sid")),
    ],
)
async def test_invalid_claims_are_401(anonymous: httpx.AsyncClient, services: FakeServices, claims: dict[str, Any]):
    await refused(anonymous, f"Bearer {services.token(**claims)}")


async def test_huge_claims_are_401(anonymous: httpx.AsyncClient, services: FakeServices):
    await refused(anonymous, f"Bearer {services.token(more='x' * 10_000)}")


async def test_an_extension_that_a_token_calls_critical_is_401(anonymous: httpx.AsyncClient, services: FakeServices):
    await refused(anonymous, f"Bearer {services.token(header={'crit': ['x'], 'x': 1})}")


async def test_a_role_that_the_token_names_twice_is_401(anonymous: httpx.AsyncClient, services: FakeServices):
    header, claims, signature = services.token().split(".")
    twice = base64.urlsafe_b64encode(b'{"role": "admin", ' + base64.urlsafe_b64decode(claims + "==")[1:])
    await refused(anonymous, f"Bearer {header}.{twice.rstrip(b'=').decode()}.{signature}")


async def test_a_verified_token_expires(
    anonymous: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    await services.answer(GetUser, samples.user())
    header = {"authorization": f"Bearer {services.token()}"}
    assert (await anonymous.get(ME, headers=header)).status_code == 200
    later = time.time() + 3601
    monkeypatch.setattr("gateway.clients.auth.tokens.time.time", lambda: later)
    response = await refused(anonymous, header["authorization"])
    assert response.json()["detail"] == tokens.EXPIRED


async def test_a_verified_token_is_not_verified_again(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    token = harness.services.token()
    first = await harness.gateway.tokens.verify(token)
    monkeypatch.delattr("gateway.clients.auth.tokens.jwt.decode")
    assert await harness.gateway.tokens.verify(token) is first


async def test_the_number_of_cached_tokens_is_limited(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "MAX_CACHED", 3)
    for number in range(5):
        await harness.gateway.tokens.verify(harness.services.token(jti=str(number)))
    assert len(harness.gateway.tokens.cached) == 3
