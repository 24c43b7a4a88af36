"""Who may do what: seen on every operation, so that a new one cannot be forgotten."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, TEMPLATE, TOOL_CALL
from gateway.app import ROUTERS

from services.gateway.tests.door import Door

OPEN = {"/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/refresh"}


IDS = {
    "session_id": SESSION,
    "run_id": RUN,
    "message_id": MESSAGE,
    "tool_call_id": TOOL_CALL,
    "approval_id": APPROVAL,
    "template_id": TEMPLATE,
    "path": "a.txt",
}


def operations() -> Iterator[tuple[str, str]]:
    routes: list[Any] = [route for router in ROUTERS for route in router.routes]
    for route in routes:
        if route.path.startswith("/api/") and route.path not in OPEN:
            for method in getattr(route, "methods", ()):  # a WebSocket has none; it has tests of its own
                yield method, route.path.replace(":path", "").format(**IDS)


WRITES = [(method, path) for method, path in operations() if method != "GET" and "/auth/" not in path]


@pytest.mark.parametrize(("method", "path"), list(operations()))
async def test_every_operation_needs_a_token(stranger: httpx.AsyncClient, method: str, path: str):
    body = {"message": "Hello"} if path.endswith("/query") else {}
    answer = await stranger.request(method, path, json=body if method == "POST" else None)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_viewer_may_not_write(door: Door, method: str, path: str):
    async with door.client("viewer") as viewer:
        answer = await viewer.request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")


async def test_a_viewer_may_read(door: Door):
    async with door.client("viewer") as viewer:
        answer = await viewer.get(f"/api/v1/sessions/{SESSION}")
    assert answer.status_code == 503  # past the door: nobody is there to answer
