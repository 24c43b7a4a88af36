"""What every answer tells browsers."""

import httpx
import pytest
from contracts.samples import SESSION
from contracts.session.session import GetSession
from gateway.settings import Settings

from services.gateway.tests import samples
from services.gateway.tests.stand_ins import Services
from services.gateway.tests.test_cors import ASKED, PAGE

STRICT = "default-src 'none'; frame-ancestors 'none'"


def guarded(answer: httpx.Response, policy: str = STRICT) -> bool:
    told = answer.headers
    assert told.get_list("content-security-policy") == [policy]
    return (told["x-content-type-options"], told["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
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
async def test_every_answer_is_guarded(stranger: httpx.AsyncClient, method: str, path: str, status: int):
    answer = await stranger.request(method, path)
    assert answer.status_code == status
    assert guarded(answer)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_pages_run_their_own_scripts_alone(stranger: httpx.AsyncClient, page: str):
    answer = await stranger.get(page)
    policy = answer.headers["content-security-policy"]
    assert guarded(answer, policy)
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts.startswith("script-src 'self'")
    assert "unsafe" not in scripts
    assert {"default-src 'none'", "frame-ancestors 'none'", "connect-src 'self'"} <= set(policy.split("; "))


@pytest.mark.parametrize("path", [f"/api/v1/sessions/{SESSION}", "/api/v1/made/up", "/api/v1/auth/me"])
async def test_what_a_user_is_answered_is_kept_nowhere(client: httpx.AsyncClient, services: Services, path: str):
    await services.answer(GetSession, samples.session())
    assert (await client.get(path)).headers["cache-control"] == "no-store"


async def test_what_anyone_is_answered_may_be_kept(stranger: httpx.AsyncClient):
    assert "cache-control" not in (await stranger.get("/health")).headers
    assert (await stranger.get("/.well-known/jwks.json")).headers["cache-control"] == "public, max-age=60"


class TestWhereAnotherOriginIsAllowed:
    @pytest.fixture
    def settings(self, nats_url: str) -> Settings:
        return Settings(nats_url=nats_url, ask_timeout_seconds=0.5, cors_origins=PAGE)

    async def test_the_answer_to_its_browser_is_guarded_too(self, stranger: httpx.AsyncClient):
        answer = await stranger.options("/api/v1/sessions", headers={"origin": PAGE} | ASKED)
        assert answer.status_code == 200
        assert guarded(answer)
