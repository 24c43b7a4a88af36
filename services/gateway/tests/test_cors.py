"""Requests from pages of other origins (CORS)."""

import httpx
import pytest
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
        return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=2, cors_origins=PAGE)

    async def test_a_preflight_from_an_allowed_origin_succeeds(self, anonymous: httpx.AsyncClient):
        response = await anonymous.options("/api/v1/sessions", headers={"origin": PAGE} | PREFLIGHT_HEADERS)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "last-event-id" in response.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in response.headers

    async def test_an_allowed_origin_may_read_responses(self, anonymous: httpx.AsyncClient):
        response = await anonymous.get("/api/v1/sessions", headers={"origin": PAGE})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, PAGE)
        exposed = response.headers["access-control-expose-headers"].lower().split(", ")
        assert set(exposed) == {
            *("location", "retry-after", "x-request-id", "x-response-time", "idempotent-replayed", "etag"),
            *("ratelimit", "ratelimit-policy"),
            *(f"x-ratelimit-{name}" for name in ("limit", "remaining", "reset")),
        }

    async def test_an_allowed_origin_may_read_the_error_of_a_too_large_body(self, anonymous: httpx.AsyncClient):
        headers = {"origin": PAGE, "content-length": str(2**30)}
        response = await anonymous.post("/api/v1/auth/login", headers=headers)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (413, PAGE)

    async def test_a_preflight_from_another_origin_is_refused(self, anonymous: httpx.AsyncClient):
        response = await anonymous.options("/api/v1/sessions", headers={"origin": OTHER} | PREFLIGHT_HEADERS)
        assert "access-control-allow-origin" not in response.headers


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
