"""Browsers on pages of other origins."""

import httpx
import pytest
from gateway.settings import Settings
from runtime.settings import InvalidSettings, load

from services.gateway.tests.door import Door

PAGE, OTHER = "https://app.example.com", "https://other.example.com"
ASKED = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, last-event-id",
}


class TestWhereOneOriginIsAllowed:
    @pytest.fixture
    def settings(self, nats_url: str) -> Settings:
        return Settings(nats_url=nats_url, ask_timeout_seconds=0.5, cors_origins=PAGE)

    async def test_a_page_that_is_allowed_may_ask(self, stranger: httpx.AsyncClient):
        answer = await stranger.options("/api/v1/sessions", headers={"origin": PAGE} | ASKED)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "last-event-id" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers

    async def test_it_may_read_what_it_is_answered(self, stranger: httpx.AsyncClient):
        answer = await stranger.get("/api/v1/sessions", headers={"origin": PAGE})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, PAGE)
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert exposed == ["location", "retry-after", "x-request-id", "x-response-time"]

    async def test_it_may_read_that_its_body_was_too_large(self, stranger: httpx.AsyncClient):
        headers = {"origin": PAGE, "content-length": str(2**30)}
        answer = await stranger.post("/api/v1/auth/login", headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (413, PAGE)

    async def test_another_page_may_not(self, stranger: httpx.AsyncClient):
        answer = await stranger.options("/api/v1/sessions", headers={"origin": OTHER} | ASKED)
        assert "access-control-allow-origin" not in answer.headers


async def test_no_page_of_another_origin_may_when_none_is_named(stranger: httpx.AsyncClient, door: Door):
    assert door.gateway.settings.origins == []
    answer = await stranger.get("/health", headers={"origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origins", ["*", f"{PAGE}, {OTHER}", "http://localhost:3000"])
def test_origins_are_read(monkeypatch: pytest.MonkeyPatch, origins: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("CORS_ORIGINS", origins)
    assert load(Settings).origins == origins.split(", ")


@pytest.mark.parametrize("origins", ["example.com", f"{PAGE}/path", f"{PAGE},", "null"])
def test_what_is_no_origin_ends_the_start(monkeypatch: pytest.MonkeyPatch, origins: str):
    monkeypatch.setenv("NATS_URL", "nats://x")
    monkeypatch.setenv("CORS_ORIGINS", origins)
    with pytest.raises(InvalidSettings, match="CORS_ORIGINS"):
        load(Settings)
