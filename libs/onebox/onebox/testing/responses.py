"""Hooks for HTTP clients of tests: a response has a secret only if its operation is declared to return one."""

from collections.abc import Iterable
from typing import Any

import httpx

from onebox.testing.planted import check_none, revealed

EVENTS, TEXTS = "text/event-stream", ("application/json", "application/problem+json", "text/")


class SearchedResponses:
    """The responses of an application.

    Args:
        routers: its routers.
        secret: the base class of its models of responses with a secret.
    """

    def __init__(self, routers: Iterable[Any], secret: type) -> None:
        routes = [route for router in routers for route in router.routes]
        self.routes = [route for route in routes if _is_secret(getattr(route, "response_model", None), secret)]

    def check(self, response: httpx.Response) -> None:
        """Search a response; the hook of a client.

        Raises:
            AssertionError: there is a secret in it.
        """
        self._check(response, response.read() if _is_readable(response) else b"")

    async def check_async(self, response: httpx.Response) -> None:
        """Search a response; the hook of an asynchronous client.

        Raises:
            AssertionError: there is a secret in it.
        """
        self._check(response, await response.aread() if _is_readable(response) else b"")

    def _check(self, response: httpx.Response, content: bytes) -> None:
        if not self._may_have_secret(response.request):
            place = f"the response to {response.request.method} {response.request.url}"
            check_none(place, revealed(content + str(response.headers.multi_items()).encode()))

    def _may_have_secret(self, request: httpx.Request) -> bool:
        """Return whether the operation returns a secret, as declared or as the owner of MCP servers asked for."""
        asked = request.url.params.get("include_secrets", "false").lower() == "true"
        return asked or any(
            request.method in route.methods and route.path_regex.match(request.url.path) for route in self.routes
        )


def _is_secret(model: Any, secret: type) -> bool:
    return isinstance(model, type) and issubclass(model, secret)


def _is_readable(response: httpx.Response) -> bool:
    """Return whether the body can be read before the test reads it: it is a text, and no stream of events."""
    media_type = response.headers.get("content-type", "")
    return media_type.startswith(TEXTS) and not media_type.startswith(EVENTS)
