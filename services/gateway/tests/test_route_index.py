"""The route of a request is found by its method and the beginning of its path, as trying all routes would find it."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute
from gateway.app import create_app
from gateway.routing.route_index import RouteIndex
from gateway.state import Gateway
from starlette.routing import BaseRoute, Match


@pytest.fixture(scope="module")
def routes() -> list[BaseRoute]:
    return create_app(cast(Gateway, None)).routes


@pytest.fixture(scope="module")
def index(routes: list[BaseRoute]) -> RouteIndex:
    return next(route for route in routes if isinstance(route, RouteIndex))


def scope_of(method: str, path: str, kind: str = "http") -> dict[str, Any]:
    return {"type": kind, "method": method, "path": path}


def requests(routes: list[BaseRoute]) -> Iterator[dict[str, Any]]:
    """Yield a request for each operation."""
    for route in routes:
        if isinstance(route, APIRoute):
            path = re.sub(r"{\w+(:path)?}", lambda found: "a/b/c" if found[1] else "0197", route.path)
            yield from (scope_of(method, path) for method in route.methods or ())


def test_every_operation_is_found_as_by_trying_all_routes(routes: list[BaseRoute], index: RouteIndex) -> None:
    found, tried = dict[str, object](), dict[str, object]()
    for scope in requests(routes):
        request = f"{scope['method']} {scope['path']}"
        found[request] = index.matches(scope)[1].get("route")
        tried[request] = next(
            route for route in routes if isinstance(route, APIRoute) and route.matches(scope)[0] is Match.FULL
        )
    assert len(found) > 100
    assert found == tried


@pytest.mark.parametrize(
    "scope",
    [
        scope_of("DELETE", "/api/v1/sessions"),
        scope_of("GET", "/api/v1/nothing"),
        scope_of("GET", "/"),
        scope_of("GET", ""),
        scope_of("GET", "/api/v1/sessions/"),
        scope_of("GET", "/api/v1/sessions", "websocket"),
        scope_of("GET", "//api/v1/sessions"),
    ],
    ids=lambda scope: f"{scope['type']} {scope['method']} {scope['path']}",
)
def test_other_requests_are_left_to_the_routes(index: RouteIndex, scope: dict[str, Any]) -> None:
    assert index.matches(scope) == (Match.NONE, {})
