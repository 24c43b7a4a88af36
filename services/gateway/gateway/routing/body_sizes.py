"""How large the bodies of requests may be: routes declare it, and `gateway.entry.transfers` enforces it."""

from collections import defaultdict
from collections.abc import Sequence
from re import Pattern

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from gateway.routing.api_route import ApiRoute


class BodySizes:
    """The limits that routes declare, found by the method and the path of a request."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._declared = defaultdict[str, list[tuple[Pattern[str], int]]](list)
        for context in iter_route_contexts(routes):
            route = context.original_route
            if isinstance(route, ApiRoute) and route.max_body_bytes is not None:
                for method in route.methods or ():
                    self._declared[method].append((route.path_regex, route.max_body_bytes))

    def declared(self, method: str, path: str) -> int | None:
        """Return the limit that the route of a request declares; None if it declares none."""
        declared = self._declared.get(method, ())
        return next((max_bytes for regex, max_bytes in declared if regex.match(path)), None)
