"""Clients of tests that fail when a response has a secret, unless the operation is declared to return one."""

from collections.abc import Iterator
from typing import Any

import httpx
from fastapi.routing import APIRoute
from gateway.app import ROUTERS
from gateway.schemas.base import SecretResponse
from onebox.testing.planted import check_none, revealed

EVENTS, TEXTS = "text/event-stream", ("application/json", "application/problem+json", "text/")


def secret_routes() -> Iterator[APIRoute]:
    """Yield the operations whose responses have a secret."""
    for route in (route for router in ROUTERS for route in router.routes):
        model: Any = route.response_model if isinstance(route, APIRoute) else None
        if isinstance(route, APIRoute) and isinstance(model, type) and issubclass(model, SecretResponse):
            yield route


SECRET_ROUTES = [*secret_routes()]


def may_have_secret(request: httpx.Request) -> bool:
    """Return whether an operation returns a secret, as declared or as the owner of MCP servers asked for."""
    asked = request.url.params.get("include_secrets", "false").lower() == "true"
    return asked or any(
        request.method in (route.methods or ()) and route.path_regex.match(request.url.path) for route in SECRET_ROUTES
    )


def _is_read(response: httpx.Response) -> bool:
    """Return whether the body can be read before the test reads it: it is a text, and no stream of events."""
    media_type = response.headers.get("content-type", "")
    return media_type.startswith(TEXTS) and not media_type.startswith(EVENTS)


def _check(response: httpx.Response, content: bytes) -> None:
    if not may_have_secret(response.request):
        place = f"the response to {response.request.method} {response.request.url}"
        check_none(place, revealed(content + str(response.headers.multi_items()).encode()))


def check(response: httpx.Response) -> None:
    """Search a response; the hook of a client.

    Raises:
        AssertionError: there is a secret in it.
    """
    _check(response, response.read() if _is_read(response) else b"")


async def check_async(response: httpx.Response) -> None:
    """Search a response; the hook of an asynchronous client.

    Raises:
        AssertionError: there is a secret in it.
    """
    _check(response, await response.aread() if _is_read(response) else b"")
