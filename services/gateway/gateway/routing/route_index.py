"""Finds the route of a request by its method and the beginning of its path, instead of trying all routes in turn."""

from collections import defaultdict
from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

SEGMENTS = 3
"""Segments of a path that select the routes to try: `/api/v1/sessions`."""


class RouteIndex(BaseRoute):
    """Stands before the routes that it finds; requests that it has no route for are left to them, and to the others."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes: dict[tuple[str, str], list[APIRoute]] = defaultdict(list)
        for route in routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    self._routes[method, _beginning(route.path)].append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return the match of the first route of the path, which must have the method, too."""
        if scope["type"] == "http":
            for route in self._routes.get((scope["method"], _beginning(scope["path"])), ()):
                match, child_scope = route.matches(scope)
                if match is Match.FULL:
                    return match, child_scope
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the route that was found handle the request."""
        await scope["route"].handle(scope, receive, send)


def _beginning(path: str) -> str:
    return "/".join(path.split("/", SEGMENTS + 1)[: SEGMENTS + 1])
