"""Who may call a route, checked before the framework does it: for what is looked at ahead of a route's parameters."""

from typing import Any, cast

from fastapi import Request
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase


async def let_in(request: Request, route: APIRoute) -> None:
    """Ask what guards the route about the caller.

    Raises:
        Problem: the request may not call this route.
        Unavailable: it cannot be told yet.
    """
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, SecurityBase):
            await cast(Any, dependency.call)(request)
