"""Roles, checked for every operation so that a new one cannot be forgotten."""

from collections.abc import Iterator
from typing import Any

import httpx
from contracts.samples import SESSION
from gateway.app import ROUTERS
from gateway.openapi import EXAMPLES

from services.gateway.tests.cases import each
from services.gateway.tests.harness import Harness

CALLBACK = "/api/v1/mcp-servers/oauth/callback"
FIRE = "/api/v1/tasks/{task_id}/triggers/{trigger_id}/fire"
AUTH = "/api/v1/auth"
OPEN = {f"{AUTH}/register", f"{AUTH}/login", f"{AUTH}/refresh", f"{AUTH}/reset-password", CALLBACK, FIRE}


IDS = {**EXAMPLES, "path": "a.txt"}


def operations() -> Iterator[tuple[str, str]]:
    routes: list[Any] = [route for router in ROUTERS for route in router.routes]
    for route in routes:
        if route.path.startswith("/api/") and route.path not in OPEN:
            for method in getattr(route, "methods", ()):  # a WebSocket has no methods, and separate tests
                yield method, route.path.replace(":path", "").format(**IDS)


WRITES = [(method, path) for method, path in operations() if method != "GET" and "/auth/" not in path]


@each(("method", "path"), list(operations()))
async def test_every_operation_needs_a_token(anonymous: httpx.AsyncClient, method: str, path: str):
    body = {"message": "Hello"} if path.endswith("/query") else {}
    response = await anonymous.request(method, path, json=body if method == "POST" else None)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


@each(("method", "path"), WRITES)
async def test_a_viewer_may_not_write(harness: Harness, method: str, path: str):
    async with harness.client("viewer") as viewer:
        response = await viewer.request(method, path, json={} if method == "POST" else None)
    assert (response.status_code, response.json()["error_code"]) == (403, "FORBIDDEN")


async def test_a_viewer_may_read(harness: Harness):
    async with harness.client("viewer") as viewer:
        response = await viewer.get(f"/api/v1/sessions/{SESSION}")
    assert response.status_code == 503  # the request was passed on, and no service responds
