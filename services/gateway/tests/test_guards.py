"""Security headers of responses."""

import httpx
import pytest
from contracts.samples import SESSION
from contracts.session.session import GetSession
from gateway.entry import guards
from gateway.settings import Settings
from runtime.http import connection_problems

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.test_cors import PAGE, PREFLIGHT_HEADERS

STRICT = "default-src 'none'; frame-ancestors 'none'"


def has_security_headers(response: httpx.Response, policy: str = STRICT) -> bool:
    headers = response.headers
    assert headers.get_list("content-security-policy") == [policy]
    return (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


@each(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/v1/openapi.json", 200),
        ("GET", "/api/v1/sessions", 401),
        ("GET", "/made/up", 404),
        ("PUT", "/api/v1/sessions", 405),
        ("GET", "/docs/swagger-ui.css", 200),
        ("GET", "/", 307),
    ],
)
async def test_every_response_has_security_headers(anonymous: httpx.AsyncClient, method: str, path: str, status: int):
    response = await anonymous.request(method, path)
    assert response.status_code == status
    assert has_security_headers(response)


@each("page", ["/docs", "/redoc"])
async def test_the_pages_run_only_their_own_scripts(anonymous: httpx.AsyncClient, page: str):
    response = await anonymous.get(page)
    policy = response.headers["content-security-policy"]
    assert has_security_headers(response, policy)
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts.startswith("script-src 'self'")
    assert "unsafe" not in scripts
    assert {"default-src 'none'", "frame-ancestors 'none'", "connect-src 'self'"} <= set(policy.split("; "))


@each("path", [f"/api/v1/sessions/{SESSION}", "/api/v1/made/up", "/api/v1/auth/me"])
async def test_responses_to_users_are_not_cached(client: httpx.AsyncClient, services: FakeServices, path: str):
    await services.answer(GetSession, samples.session())
    assert (await client.get(path)).headers["cache-control"] == "no-store"


async def test_public_responses_may_be_cached(anonymous: httpx.AsyncClient):
    assert "cache-control" not in (await anonymous.get("/health")).headers
    assert (await anonymous.get("/.well-known/jwks.json")).headers["cache-control"] == "public, max-age=60"


def test_the_responses_of_the_http_server_itself_have_the_same_headers():
    common = {name.lower(): value for name, value in guards.HEADERS.items()}
    assert common.items() <= connection_problems.HEADERS.items()


class TestAllowedOrigin:
    @pytest.fixture
    def settings(self, nats_url: str) -> Settings:
        return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=60, cors_origins=PAGE)

    async def test_a_preflight_response_has_security_headers(self, anonymous: httpx.AsyncClient):
        response = await anonymous.options("/api/v1/sessions", headers={"origin": PAGE} | PREFLIGHT_HEADERS)
        assert response.status_code == 200
        assert has_security_headers(response)
