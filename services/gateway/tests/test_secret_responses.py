"""Tests notice a secret in a response."""

import httpx
import pytest
from onebox.testing.planted import PLANTED

from services.gateway.tests.cases import each
from services.gateway.tests.secret_responses import SEARCHED

KEY = "agk_0197a1f0000070008000000000000016_" + "x" * 43


def response(method: str, path: str, **content: object) -> httpx.Response:
    request = httpx.Request(method, f"http://localhost/api/v1{path}")
    return httpx.Response(200, request=request, **content)  # pyright: ignore[reportArgumentType]


def test_operations_with_secrets_are_known() -> None:
    names = {route.operation_id for route in SEARCHED.routes}
    assert names >= {"login", "refreshTokens", "createApiKey", "createTrigger", "rotateTrigger", "createReportLink"}


@each(
    "found",
    [
        response("GET", "/auth/api-keys", json={"key": KEY}),
        response("GET", "/sessions", headers={"location": PLANTED}),
        response("POST", "/auth/register", json={"detail": PLANTED}),
        response("GET", "/mcp-servers/export", text=PLANTED),
    ],
)
def test_a_secret_in_a_response_is_found(found: httpx.Response) -> None:
    with pytest.raises(AssertionError, match="secrets in the response to "):
        SEARCHED.check(found)


@each(
    "expected",
    [
        response("POST", "/auth/api-keys", json={"key": KEY}),
        response("POST", "/tasks/0197a1f0-0000-7000-8000-000000000008/triggers", json={"secret": PLANTED}),
        response("GET", "/mcp-servers/export?include_secrets=true", text=PLANTED),
        response("GET", "/sessions", json={"items": []}),
    ],
)
def test_a_secret_where_it_is_declared_is_accepted(expected: httpx.Response) -> None:
    SEARCHED.check(expected)
