"""Health and metrics."""

import asyncio

import httpx
import pytest
from contracts.catalogue import SERVICES
from contracts.messages import ping_query
from contracts.session.session import CountSessions
from gateway.routes.operations import VERSION
from gateway.settings import Settings
from runtime import bus, metrics
from runtime.http import health

from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness, running_gateway


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checks and scrapes wait for answers, however busy the machine is."""
    monkeypatch.setattr(bus, "CHECK_TIMEOUT", 60)
    monkeypatch.setattr(health, "CHECK_TIMEOUT", 60.0)
    monkeypatch.setattr(metrics, "MEASURING_SECONDS", 60.0)


async def test_health_has_service_version_and_environment(anonymous: httpx.AsyncClient):
    response = await anonymous.get("/health")
    body = response.json()
    assert response.status_code == 200
    assert (body["status"], body["service"]) == ("healthy", "AI-Agent-API-Service")
    assert (body["environment"], body["version"]) == ("development", VERSION)
    assert len(body) == 4


async def test_liveness_does_not_depend_on_the_bus(anonymous: httpx.AsyncClient, harness: Harness):
    await harness.gateway.bus.client.close()
    assert (await anonymous.get("/health/live")).json() == {"status": "alive"}


async def test_ready_without_any_service(anonymous: httpx.AsyncClient):
    response = await anonymous.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": dict.fromkeys(("bus", "keys", "revocations", "open"), "ok")}


async def test_the_report_of_the_system_has_each_service_and_what_it_says(harness: Harness, services: FakeServices):
    for service in SERVICES:
        await services.answer(ping_query(service), {"database": "ok"})
    names = {"bus", "keys", "revocations", "open", *SERVICES, *(f"{service}_database" for service in SERVICES)}
    assert await harness.gateway.readiness.of_system() == dict.fromkeys(names, "ok")


async def test_the_report_of_the_system_says_what_a_service_lacks(harness: Harness, services: FakeServices):
    await services.answer(ping_query("session"), {"database": "no response within 2 s"})
    report = await harness.gateway.readiness.of_system()
    assert (report["session"], report["session_database"]) == ("ok", "no response within 2 s")


async def test_the_report_of_the_system_names_a_service_that_does_not_reply(harness: Harness):
    assert (await harness.gateway.readiness.of_system())["identity"] == "the service does not reply"


async def test_not_ready_if_the_bus_is_unavailable(anonymous: httpx.AsyncClient, harness: Harness):
    await harness.gateway.bus.client.close()
    response = await anonymous.get("/health/ready")
    assert (response.status_code, response.json()["checks"]["bus"]) == (503, "Unavailable")


async def test_not_ready_until_the_revocations_are_known(anonymous: httpx.AsyncClient, harness: Harness):
    harness.gateway.revocations.known = False
    assert (await anonymous.get("/health/ready")).json()["checks"][
        "revocations"
    ] == "the revoked tokens are not loaded yet"


async def test_not_ready_until_the_keys_of_tokens_are_known(anonymous: httpx.AsyncClient, harness: Harness):
    harness.gateway.keys.published = None
    response = await anonymous.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["keys"] == "the keys of access tokens are not loaded yet"


async def test_not_ready_when_it_is_about_to_stop(anonymous: httpx.AsyncClient, harness: Harness):
    harness.gateway.readiness.closed = "this server is about to stop"
    response = await anonymous.get("/health/ready")
    assert (response.status_code, response.json()["checks"]["open"]) == (503, "this server is about to stop")


async def test_metrics_are_not_public_by_default(settings: Settings, services: FakeServices):
    async with running_gateway(settings.model_copy(update={"metrics_public": False})) as gateway:
        response = await Harness(gateway, services).client(None).get("/metrics")
    assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND")


async def test_sessions_are_counted_by_status(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(CountSessions, {"active": 12, "completed": 156})
    response = await anonymous.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "# HELP sessions_total Total number of sessions\n# TYPE sessions_total counter\n" in response.text
    assert 'sessions_total{status="active"} 12.0\nsessions_total{status="completed"} 156.0\n' in response.text


async def test_without_sessions_their_number_is_zero(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(CountSessions, {})
    assert 'sessions_total{status="active"} 0.0\n' in (await anonymous.get("/metrics")).text


async def test_concurrent_scrapes_share_one_count_of_sessions(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(CountSessions, {"active": 12})
    responses = await asyncio.gather(*(anonymous.get("/metrics") for _ in range(20)))
    assert all("sessions_total" in response.text for response in responses)
    assert sum(isinstance(message, CountSessions) for message, _ in services.received) == 1


async def test_the_counter_of_requests_has_the_specified_name(anonymous: httpx.AsyncClient):
    await anonymous.get("/health/live")
    assert 'api_requests_total{method="GET",path="/health/live"}' in (await anonymous.get("/metrics")).text


async def test_metrics_are_returned_without_the_session_service(anonymous: httpx.AsyncClient):
    response = await anonymous.get("/metrics")
    assert response.status_code == 200
    assert "api_requests_total" in response.text


async def test_metrics_do_not_wait_long_for_the_session_service(
    anonymous: httpx.AsyncClient, harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(metrics, "MEASURING_SECONDS", 0.1)
    harness.gateway.bus.timeout = 600  # longer than a test may take
    await harness.services.ignore(CountSessions)
    assert (await anonymous.get("/metrics")).status_code == 200
