"""Authorization of a request before the framework does it: for checks that precede the parameters of a route."""

from typing import Any, cast

from fastapi import Request
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase


async def authorize(request: Request, route: APIRoute) -> None:
    """Apply the security dependencies of the route to the request.

    Raises:
        Problem: the request may not call this route.
        Unavailable: the access token cannot be verified at the moment.
    """
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, SecurityBase):
            await cast(Any, dependency.call)(request)
