"""Requests from pages of other origins (CORS)."""

import httpx
import pytest
from gateway.clients.rates.rules import Rules
from gateway.settings import Settings
from runtime.settings import InvalidSettings, load

from services.gateway.tests.harness import Harness

PAGE, OTHER = "https://app.example.com", "https://other.example.com"
PREFLIGHT_HEADERS = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, last-event-id",
}


class TestAllowedOrigin:
    @pytest.fixture
    def settings(self, nats_url: str) -> Settings:
        return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=60, cors_origins=PAGE)

    async def test_a_preflight_from_an_allowed_origin_succeeds(self, anonymous: httpx.AsyncClient):
        response = await anonymous.options("/api/v1/sessions", headers={"origin": PAGE} | PREFLIGHT_HEADERS)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "last-event-id" in response.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in response.headers

    async def test_an_allowed_origin_may_read_responses(self, anonymous: httpx.AsyncClient):
        response = await anonymous.get("/api/v1/sessions", headers={"origin": PAGE})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, PAGE)
        exposed = response.headers["access-control-expose-headers"].lower().split(", ")
        assert {"etag", "idempotent-replayed", "location", "retry-after", "x-request-id", "ratelimit"} <= set(exposed)

    async def test_an_allowed_origin_may_read_the_error_of_a_too_large_body(self, anonymous: httpx.AsyncClient):
        headers = {"origin": PAGE, "content-length": str(2**30)}
        response = await anonymous.post("/api/v1/auth/login", headers=headers)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (413, PAGE)

    @pytest.mark.parametrize("replaced", [{"origin": OTHER}, {"access-control-request-method": "TRACE"}])
    async def test_another_preflight_is_refused_by_a_problem(
        self, anonymous: httpx.AsyncClient, replaced: dict[str, str]
    ):
        headers = {"origin": PAGE} | PREFLIGHT_HEADERS | replaced
        response = await anonymous.options("/api/v1/sessions", headers=headers)
        assert (response.status_code, response.json()["error_code"]) == (403, "ORIGIN_NOT_ALLOWED")
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert response.headers.get("access-control-allow-origin") in (None, PAGE)

    async def test_a_preflight_is_neither_counted_nor_authenticated(self, harness: Harness):
        harness.gateway.limiter.rules = Rules.parse("1/hour")
        async with harness.client(None, authorization="Bearer made-up", origin=PAGE) as client:
            for _ in range(3):
                response = await client.options("/api/v1/sessions", headers=PREFLIGHT_HEADERS)
                assert (response.status_code, "x-ratelimit-limit" in response.headers) == (200, False)

    @pytest.mark.parametrize(
        "name", ["idempotency-key", "if-match", "if-none-match", "x-api-key", "last-event-id", "prefer"]
    )
    async def test_pages_may_send_the_headers_of_the_api(self, anonymous: httpx.AsyncClient, name: str):
        headers = PREFLIGHT_HEADERS | {"origin": PAGE, "access-control-request-headers": name}
        response = await anonymous.options("/api/v1/sessions", headers=headers)
        assert name in response.headers["access-control-allow-headers"]

    async def test_a_preflight_to_an_unknown_host_is_421(self, anonymous: httpx.AsyncClient):
        headers = {"origin": PAGE, "host": "rebound.example.com"} | PREFLIGHT_HEADERS
        assert (await anonymous.options("/api/v1/sessions", headers=headers)).status_code == 421


async def test_no_other_origin_is_allowed_by_default(anonymous: httpx.AsyncClient, harness: Harness):
    assert harness.gateway.settings.origins == []
    response = await anonymous.get("/health", headers={"origin": PAGE})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origins", ["*", f"{PAGE}, {OTHER}", "http://localhost:3000"])
def test_valid_origins_are_accepted(monkeypatch: pytest.MonkeyPatch, origins: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("CORS_ORIGINS", origins)
    assert load(Settings).origins == origins.split(", ")


@pytest.mark.parametrize("origins", ["example.com", f"{PAGE}/path", f"{PAGE},", "null"])
def test_an_invalid_origin_is_an_error_that_names_the_setting(monkeypatch: pytest.MonkeyPatch, origins: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("CORS_ORIGINS", origins)
    with pytest.raises(InvalidSettings, match="CORS_ORIGINS"):
        load(Settings)
