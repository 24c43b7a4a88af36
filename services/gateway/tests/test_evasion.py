"""Attempts to get more requests than the limit, or to pass for somebody else's origin, host or address."""

from itertools import count

import httpx
import pytest
from gateway.clients.client_address import client_address
from gateway.settings import Settings
from onebox.testing.cases import every_case
from starlette.requests import HTTPConnection

from services.gateway.tests.harness import Harness
from services.gateway.tests.test_rate_limits import ME, Clock, pass_hour
from services.gateway.tests.test_rate_limits import clock as clock
from services.gateway.tests.test_rate_limits import harness as harness
from services.gateway.tests.test_rate_limits import patient as patient
from services.gateway.tests.test_rate_limits import rate_limits as rate_limits

PAGE = "https://app.example.com"
ADDRESS_HEADERS = (
    *("x-forwarded-for", "x-real-ip", "forwarded", "x-client-ip", "x-originating-ip", "client-ip", "true-client-ip"),
    *("cf-connecting-ip", "fastly-client-ip", "x-cluster-client-ip", "x-remote-addr", "via", "client-address"),
)
SPELLINGS = (
    *("/api/v1/auth/me/", "/API/V1/AUTH/ME", "/api/v1/auth//me", "//api/v1/auth/me", "/api/v1/auth/me;x", "/api"),
    *("/api/v1/auth/me?a=1", "/api/v1/auth/me%00", "/api/v1/auth/me%20", "/api/v1/%61uth/me", "/Health", "/x/health"),
    *(
        "/%68ealth",
        "/health%2f..%2fapi/v1/auth/me",
        "/docs/%2e%2e/api/v1/auth/me",
        "/.well-known/%2e%2e/api/v1",
    ),
)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE", "TRACE", "get", "X")


@pytest.fixture
def trusted() -> str:
    return ""


@pytest.fixture
def settings(nats_url: str, rate_limits: str, trusted: str) -> Settings:
    return Settings(
        nats_url=nats_url,
        ask_timeout_seconds=60,
        rate_limits=rate_limits,
        trusted_proxies=trusted,
        cors_origins=PAGE,
    )


async def test_no_header_makes_a_client_another_one(anonymous: httpx.AsyncClient):
    numbers = count(1)
    for _ in range(3):
        await anonymous.get(ME, headers={name: f"192.0.2.{next(numbers)}" for name in ADDRESS_HEADERS})
    assert (await anonymous.get(ME, headers={"x-forwarded-for": "198.51.100.1"})).status_code == 429


@pytest.mark.parametrize("trusted", ["127.0.0.1"])
async def test_a_client_behind_a_proxy_cannot_choose_its_address(anonymous: httpx.AsyncClient):
    responses = [
        await anonymous.get(ME, headers={"x-forwarded-for": f"192.0.2.{number}, 198.51.100.7"}) for number in range(4)
    ]
    assert [response.status_code for response in responses] == [401, 401, 401, 429]


@pytest.mark.parametrize("trusted", ["127.0.0.1"])
async def test_the_addresses_of_one_network_are_one_client(anonymous: httpx.AsyncClient):
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:db8::3", "2001:db8:0:1::1"]
    responses = [await anonymous.get(ME, headers={"x-forwarded-for": address}) for address in addresses]
    assert [response.status_code for response in responses] == [401, 401, 401, 429, 401]


@pytest.mark.parametrize(
    ("peer", "address"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1%eth0", "2001:db8::/64")],
)
def test_an_address_counts_the_same_in_each_notation(peer: str, address: str):
    assert client_address(HTTPConnection({"type": "http", "client": (peer, 1)})) == address


@every_case("spelling", SPELLINGS, before=pass_hour)
async def test_no_spelling_of_a_path_is_served_uncounted(client: httpx.AsyncClient, clock: Clock, spelling: str):
    response = await client.get(spelling)
    is_counted = "x-ratelimit-limit" in response.headers
    assert is_counted or response.status_code == 404 or response.json().get("status") == "healthy"


@every_case("method", METHODS, before=pass_hour)
async def test_requests_with_all_methods_count(client: httpx.AsyncClient, clock: Clock, method: str):
    for _ in range(3):
        await client.request(method, ME)
    assert (await client.get(ME)).status_code == 429


async def test_a_client_with_many_tokens_is_one_client(harness: Harness, clock: Clock):
    for number in range(3):
        token = harness.services.token(jti=str(number))
        async with harness.client(None, authorization=f"Bearer {token}") as client:
            await client.get(ME)
    async with harness.client() as client:
        assert (await client.get(ME)).status_code == 429


@pytest.mark.parametrize("rate_limits", ["none"])
@every_case(
    "origin",
    [
        *("null", "", "*", "http://app.example.com", "https://app.example.com:444", "https://app.example.com."),
        *(
            "https://app.example.com.evil.example",
            "https://evil-app.example.com",
            "https://app.example.com@evil.example",
        ),
        *("https://APP.example.com.evil.example", "https://app.example.com/", "https://app.example.com, null"),
        *(
            "https://app.example.com%00.evil.example",
            "file://",
            "https://example.com",
            "https://x.app.example.com",
        ),
    ],
)
async def test_no_other_origin_may_read(anonymous: httpx.AsyncClient, origin: str):
    response = await anonymous.get(ME, headers={"origin": origin})
    assert "access-control-allow-origin" not in response.headers
    preflight = {"origin": origin, "access-control-request-method": "GET"}
    assert (await anonymous.options(ME, headers=preflight)).status_code == 403


@pytest.mark.parametrize("rate_limits", ["none"])
@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
@every_case("name", ["x-forwarded-host", "x-host", "forwarded", "x-original-url", "x-rewrite-url"])
async def test_no_header_replaces_host_or_path(client: httpx.AsyncClient, name: str):
    response = await client.get(ME, headers={name: "evil.example"})
    assert response.status_code == 200
    assert "evil.example" not in response.text + str(response.headers)


@pytest.mark.parametrize("rate_limits", ["none"])
@every_case("name", ["x-http-method-override", "x-http-method", "x-method-override"])
async def test_no_header_replaces_the_method(client: httpx.AsyncClient, name: str):
    response = await client.get(ME, headers={name: "DELETE"})
    assert (response.status_code, response.json()["role"]) == (200, "user")
