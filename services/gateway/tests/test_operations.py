"""Health and metrics."""

import asyncio
import time

import httpx
from contracts.catalogue import SERVICES
from contracts.messages import ping_of
from contracts.session.session import CountSessions
from gateway.routes.operations import VERSION

from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services


async def test_health_says_what_runs_here(stranger: httpx.AsyncClient):
    answer = await stranger.get("/health")
    shown = answer.json()
    assert answer.status_code == 200
    assert (shown["status"], shown["service"]) == ("healthy", "AI-Agent-API-Service")
    assert (shown["environment"], shown["version"]) == ("development", VERSION)
    assert len(shown) == 4


async def test_live_looks_at_nothing(stranger: httpx.AsyncClient, door: Door):
    await door.gateway.bus.client.close()
    assert (await stranger.get("/health/live")).json() == {"status": "alive"}


async def test_ready_when_all_answer(stranger: httpx.AsyncClient, services: Services):
    for service in SERVICES:
        await services.answer(ping_of(service), {"database": "ok"})
    answer = await stranger.get("/health/ready")
    assert answer.status_code == 200
    names = {"bus", "revocations", "identity", "identity_database", "session", "session_database"}
    assert answer.json()["checks"] == dict.fromkeys(names, "ok")


async def test_not_ready_without_the_database_of_a_service_and_says_which(
    stranger: httpx.AsyncClient, services: Services
):
    await services.answer(ping_of("identity"), {"database": "ok"})
    await services.answer(ping_of("session"), {"database": "no answer within 2 s"})
    answer = await stranger.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]["session"]) == (503, "ok")
    assert answer.json()["checks"]["session_database"] == "no answer within 2 s"


async def test_not_ready_without_a_service_and_says_which(stranger: httpx.AsyncClient, services: Services):
    await services.answer(ping_of("identity"), {"database": "ok"})
    answer = await stranger.get("/health/ready")
    checks = answer.json()["checks"]
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert (checks["identity"], checks["session"]) == ("ok", "the service does not reply")


async def test_not_ready_without_the_bus(stranger: httpx.AsyncClient, door: Door):
    await door.gateway.bus.client.close()
    answer = await stranger.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]["bus"]) == (503, "Unavailable")


async def test_not_ready_until_the_revocations_are_known(stranger: httpx.AsyncClient, door: Door):
    door.gateway.revocations.known = False
    assert (await stranger.get("/health/ready")).json()["checks"][
        "revocations"
    ] == "the revoked tokens are not loaded yet"


async def test_sessions_are_counted_by_status(stranger: httpx.AsyncClient, services: Services):
    await services.answer(CountSessions, {"active": 12, "completed": 156})
    answer = await stranger.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# HELP sessions_total Total number of sessions\n# TYPE sessions_total gauge\n" in answer.text
    assert 'sessions_total{status="active"} 12.0\nsessions_total{status="completed"} 156.0\n' in answer.text


async def test_sessions_are_counted_once_however_many_scrape(stranger: httpx.AsyncClient, services: Services):
    await services.answer(CountSessions, {"active": 12})
    answers = await asyncio.gather(*(stranger.get("/metrics") for _ in range(20)))
    assert all("sessions_total" in answer.text for answer in answers)
    assert sum(isinstance(message, CountSessions) for message, _ in services.heard) == 1


async def test_requests_are_shown_under_the_name_of_the_specification(stranger: httpx.AsyncClient):
    await stranger.get("/health/live")
    assert 'api_requests_total{method="GET",path="/health/live"}' in (await stranger.get("/metrics")).text


async def test_metrics_come_without_the_session_service(stranger: httpx.AsyncClient):
    answer = await stranger.get("/metrics")
    assert answer.status_code == 200
    assert "api_requests_total" in answer.text


async def test_metrics_do_not_wait_long_for_the_session_service(stranger: httpx.AsyncClient, door: Door):
    door.gateway.bus.timeout = 60
    await door.services.hear(CountSessions)
    started = time.monotonic()
    assert (await stranger.get("/metrics")).status_code == 200
    assert time.monotonic() - started < 2
