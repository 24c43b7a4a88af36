"""Requests from pages of other origins (CORS). Credentials are headers, never cookies, so none are allowed for."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.problems import EdgeCode, Problem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def _middleware(app: ASGIApp, origins: Sequence[str], exposed: Sequence[str] = ()) -> CORSMiddleware:
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=METHODS, allow_headers=["*"], expose_headers=exposed
    )


class Cors:
    """Adds the headers to the responses to these origins: outside of `Edge`, so that pages can read its errors, too."""

    def __init__(self, app: ASGIApp, origins: Sequence[str], exposed: Sequence[str]) -> None:
        self.app, self._cors = app, _middleware(app, origins, exposed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and "origin" in (headers := Headers(scope=scope)):
            await self._cors.simple_response(scope, receive, send, request_headers=headers)
        else:
            await self.app(scope, receive, send)


class Preflights:
    """Answers the requests by which browsers ask what pages may send: within `Edge`, as any request, but uncounted."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self.app, self._cors = app, _middleware(app, origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, or pass the request on.

        Raises:
            Problem: ORIGIN_NOT_ALLOWED, also if the method is not.
        """
        if not _is_preflight(scope):
            await self.app(scope, receive, send)
            return
        response = self._cors.preflight_response(Headers(scope=scope))
        if response.status_code != HTTPStatus.OK:
            detail = "Pages of this origin may not send this request. The operator can add it to CORS_ORIGINS."
            raise Problem(EdgeCode.ORIGIN_NOT_ALLOWED, detail)
        await response(scope, receive, send)


def _is_preflight(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    headers = Headers(scope=scope)
    return "origin" in headers and "access-control-request-method" in headers
