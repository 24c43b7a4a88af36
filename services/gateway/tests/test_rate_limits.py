"""Rate limits of requests: who and what counts, the headers, and the outcome if the bus does not count."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from contracts.identity.user import GetUser
from contracts.samples import SESSION
from contracts.session.run import InterruptSession
from contracts.session.session import GetSession
from contracts.wire import RATE_LIMITS
from gateway.app import ROUTERS
from gateway.clients.rates import limiter
from gateway.clients.rates.rules import Rules
from gateway.routes.documentation import OPENAPI
from gateway.settings import Settings
from nats.js.api import StreamConfig
from onebox.nats import EmbeddedNats
from onebox.testing.cases import Case, every_case
from runtime.bus import counters
from runtime.metrics import metrics_of
from runtime.testing import Clock, eventually
from websockets.exceptions import InvalidStatus

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness, running_gateway
from services.gateway.tests.sse_client import open_stream
from services.gateway.tests.test_roles import IDS
from services.gateway.tests.websocket_client import open_websocket

ME, ONE = "/api/v1/auth/me", f"/api/v1/sessions/{SESSION}"
LOGIN = "/api/v1/auth/login"
NOON = 1_800_000_000.0
"""The beginning of an hour."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bus that is slow on a busy machine count: what it does not count in time is allowed."""
    monkeypatch.setattr(counters, "TIMEOUT_SECONDS", 10.0)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def rate_limits() -> str:
    return "3/minute;5/hour"


@pytest.fixture
def settings(nats_url: str, rate_limits: str) -> Settings:
    return Settings(
        nats_url=nats_url,
        ask_timeout_seconds=60,
        rate_limits=rate_limits,
        trusted_proxies="127.0.0.1",
        metrics_public=True,
    )


@pytest.fixture
async def harness(settings: Settings, services: FakeServices, clock: Clock) -> AsyncGenerator[Harness]:
    await services.answer(GetUser, samples.user())
    await services.answer(GetSession, samples.session())
    await services.create_streams()
    async with replica(settings, services, clock) as harness:
        yield harness


@asynccontextmanager
async def replica(settings: Settings, services: FakeServices, clock: Clock) -> AsyncGenerator[Harness]:
    async with running_gateway(settings) as gateway:
        gateway.limiter.clock = clock
        await eventually(lambda: gateway.revocations.known and gateway.keys.published is not None)
        yield Harness(gateway, services)


def pass_hour(fixtures: Case) -> None:
    """Let the limits of the previous case end."""
    fixtures["clock"].now += 3600


def remaining(response: httpx.Response) -> int:
    return int(response.headers["x-ratelimit-remaining"])


async def statuses(client: httpx.AsyncClient, number: int, path: str = ME) -> list[int]:
    return [(await client.get(path)).status_code for _ in range(number)]


async def test_requests_beyond_the_limit_are_429(client: httpx.AsyncClient):
    assert await statuses(client, 5) == [200, 200, 200, 429, 429]


async def test_the_response_of_a_refused_request(client: httpx.AsyncClient, clock: Clock):
    clock.now += 20
    await statuses(client, 3)
    response = await client.get(ME, headers={"x-request-id": "abc"})
    problem = response.json()
    assert (problem["error_code"], problem["request_id"]) == ("RATE_LIMIT_EXCEEDED", "abc")
    assert problem["detail"] == "Rate limit exceeded. Please try again in 41 seconds."
    assert (problem["retry_after"], response.headers["retry-after"]) == (41, "41")
    assert response.headers["x-ratelimit-remaining"] == "0"


async def test_the_headers_describe_the_tightest_limit_and_all_limits(client: httpx.AsyncClient, clock: Clock):
    clock.now += 20
    headers = (await client.get(ME)).headers
    assert [headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == [
        "3",
        "2",
        f"{NOON + 60:.0f}",
    ]
    assert headers["ratelimit-policy"] == '"60s";q=3;w=60, "3600s";q=5;w=3600'
    assert headers["ratelimit"] == '"60s";r=2;t=40, "3600s";r=4;t=3580'


async def test_the_tightest_limit_is_the_one_with_the_fewest_requests_left(client: httpx.AsyncClient, clock: Clock):
    await statuses(client, 3)
    clock.now += 120
    assert (await client.get(ME)).headers["x-ratelimit-limit"] == "5"


async def test_a_client_is_served_after_the_announced_time(client: httpx.AsyncClient, clock: Clock):
    await statuses(client, 3)
    clock.now += int((await client.get(ME)).headers["retry-after"])
    assert (await client.get(ME)).status_code == 200


async def test_refused_requests_do_not_count(client: httpx.AsyncClient, clock: Clock):
    await statuses(client, 20)
    clock.now += 120
    assert await statuses(client, 3) == [200, 200, 429]


async def test_the_limit_slides_over_the_end_of_a_window(client: httpx.AsyncClient, clock: Clock):
    clock.now += 59
    await statuses(client, 3)
    clock.now += 2
    assert await statuses(client, 2) == [200, 429]


async def test_two_replicas_and_eight_clients_let_exactly_the_limit_through(
    harness: Harness, settings: Settings, services: FakeServices, clock: Clock
):
    rules = Rules.parse("100/minute")
    async with replica(settings, services, clock) as other:
        harness.gateway.limiter.rules = other.gateway.limiter.rules = rules
        clients = [each.client() for each in (harness, other) for _ in range(4)]
        served = await asyncio.gather(*(statuses(client, 25) for client in clients))
    assert sum(each.count(200) for each in served) == 100
    assert sum(each.count(429) for each in served) == 100


async def test_users_are_counted_separately(client: httpx.AsyncClient, services: FakeServices):
    await statuses(client, 4)
    authorization = f"Bearer {services.token(sub=str(OTHER))}"
    assert (await client.get(ME, headers={"authorization": authorization})).status_code == 200


async def test_clients_without_a_token_are_counted_by_address(anonymous: httpx.AsyncClient, client: httpx.AsyncClient):
    assert await statuses(anonymous, 4) == [401, 401, 401, 429]
    assert (await client.get(ME)).status_code == 200
    other = await anonymous.get(ME, headers={"x-forwarded-for": "192.0.2.1"})
    assert other.status_code == 401


async def test_invalid_tokens_are_counted_by_address(harness: Harness, anonymous: httpx.AsyncClient):
    await statuses(anonymous, 2)
    async with harness.client(None, authorization="Bearer x") as client:
        assert await statuses(client, 2) == [401, 429]


@each("path", ["/health", "/health/live", "/metrics", "/.well-known/jwks.json", "/docs", OPENAPI, "/console/"])
async def test_probes_and_static_files_are_free(anonymous: httpx.AsyncClient, path: str):
    await statuses(anonymous, 3)
    response = await anonymous.get(path)
    assert response.status_code == 200
    assert "x-ratelimit-limit" not in response.headers


@every_case(("method", "path"), [("GET", "/api/v1/x"), ("PUT", ME), ("BREW", "/x"), ("POST", LOGIN)], before=pass_hour)
async def test_responses_without_a_route_or_a_body_have_the_headers(
    client: httpx.AsyncClient, clock: Clock, method: str, path: str
):
    response = await client.request(method, path)
    assert response.is_client_error
    assert remaining(response) == 2


async def test_a_body_that_is_too_large_counts(client: httpx.AsyncClient):
    response = await client.post(ONE, headers={"content-length": str(2**30)})
    assert (response.status_code, remaining(response)) == (413, 2)


def api_operations() -> Iterator[tuple[str, str]]:
    routes: list[Any] = [route for router in ROUTERS for route in router.routes]
    for route in routes:
        for method in getattr(route, "methods", ()) if route.path.startswith("/api/") else ():
            yield method, route.path.replace(":path", "").format(**IDS)


@pytest.mark.parametrize("rate_limits", ["1/minute"])
@each(("method", "path"), list(api_operations()))
async def test_every_operation_of_the_api_is_limited(client: httpx.AsyncClient, method: str, path: str):
    await client.get("/api/v1/made-up")
    assert (await client.request(method, path)).status_code == 429


@pytest.mark.parametrize("rate_limits", ["stream=1/minute, write=1/minute, login=1/minute"])
class TestClasses:
    async def test_reads_and_writes_are_counted_separately(self, client: httpx.AsyncClient):
        assert [(await client.post(ONE)).status_code for _ in range(2)] == [405, 429]
        assert (await client.get(ME)).status_code == 200

    async def test_logins_are_a_class(self, anonymous: httpx.AsyncClient):
        assert [(await anonymous.post(LOGIN, json={})).status_code for _ in range(2)] == [422, 429]
        assert (await anonymous.post(ONE)).status_code == 405

    async def test_a_stream_counts_once(self, base_url: str, services: FakeServices, client: httpx.AsyncClient):
        async with open_stream(base_url, services.token()):
            assert (await client.get(f"{ONE}/events")).status_code == 429
        query = await client.post(f"{ONE}/query", json={}, headers={"accept": "text/event-stream"})
        assert query.status_code == 429

    @pytest.mark.parametrize("path", [ME, f"{ONE}/workspace/events", f"{ONE}/workspace/query"])
    async def test_a_client_cannot_choose_the_class(self, client: httpx.AsyncClient, path: str):
        headers = {"accept": "text/event-stream"}
        assert [(await client.head(f"{ONE}/events")).status_code for _ in range(2)] == [200, 429]
        assert (await client.get(path, headers=headers)).status_code != 429

    async def test_the_handshake_of_a_websocket_is_refused(self, base_url: str, services: FakeServices):
        async with open_websocket(base_url, services.token()) as first:
            assert (await first.next())[0] == "connected"
            with pytest.raises(InvalidStatus) as refused:
                await open_websocket(base_url, services.token()).__aenter__()
        assert refused.value.response.status_code == 429

    async def test_commands_over_a_websocket_are_writes(self, base_url: str, services: FakeServices):
        await services.answer(InterruptSession, samples.session())
        async with open_websocket(base_url, services.token()) as socket:
            await socket.next()
            assert (await socket.send("interrupt"))[0] == "status_change"
            _, refused = await socket.send("interrupt")
        assert refused["code"] == "RATE_LIMIT_EXCEEDED"


@pytest.mark.parametrize("rate_limits", ["1/minute, admin=none"])
async def test_a_role_without_limits_is_not_counted(harness: Harness):
    async with harness.client("admin") as client:
        assert await statuses(client, 3) == [200, 200, 200]
        assert "ratelimit" not in (await client.get(ME)).headers


def unchecked() -> float:
    return metrics_of("gateway").get_sample_value("rate_limit_unchecked_total") or 0


async def test_requests_are_allowed_and_counted_while_the_bus_does_not_count(
    client: httpx.AsyncClient, services: FakeServices
):
    await services.js.add_stream(StreamConfig(name=RATE_LIMITS, subjects=["rate.>"]))  # no counters
    before = unchecked()
    assert await statuses(client, 5) == [200] * 5
    assert unchecked() == before + 5


async def test_limits_are_enforced_again_after_an_outage(
    client: httpx.AsyncClient, harness: Harness, nats_server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limiter, "PAUSE_SECONDS", 0.01)
    await statuses(client, 3)
    await asyncio.to_thread(nats_server.stop)
    assert "x-ratelimit-limit" not in (await client.get("/api/v1/x")).headers
    await asyncio.to_thread(nats_server.start)
    await eventually(lambda: harness.gateway.bus.client.is_connected)
    assert await statuses(client, 4, "/api/v1/x") == [404, 404, 404, 429]


async def test_counts_of_earlier_windows_are_forgotten(
    client: httpx.AsyncClient, harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limiter, "MAX_PREVIOUS", 1)
    await statuses(client, 3)
    assert len(harness.gateway.limiter._previous) == 1  # pyright: ignore[reportPrivateUsage]
