"""Rate limits of all routes: who sends a request is found out once, before the route, and the request is counted."""

import re

from runtime.bus import Unavailable
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth.token import Token, presented
from gateway.client_address import client_address
from gateway.problems import EdgeCode, Problem
from gateway.rates.limiter import Requester
from gateway.rates.rules import Kind
from gateway.state import gateway_of

FREE = ("/health", "/metrics", "/docs", "/redoc", "/api/v1/openapi.json", "/console", "/.well-known/")
"""The beginnings of paths that are not counted: of probes, metrics, static files and public keys."""
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOGIN_PREFIX = "/api/v1/auth/"
STREAMS = re.compile(r"/api/v1/(?:[^/]+/[^/]+/)?events")
QUERIES = re.compile(r"/api/v1/[^/]+/[^/]+/query")
"""Paths of requests that are streams if they accept one. On other paths, `Accept` must not choose the class."""
EVENT_STREAM = "text/event-stream"
NOT_PRESENTED = "Send an access token or an API key: `Authorization: Bearer <token>`, or `X-API-Key: <key>`."


class Throttling:
    """Middleware within `Edge`, which adds the headers in `rate_limits` of the scope to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate and count a request, or a WebSocket, and pass it on.

        Raises:
            Problem: RATE_LIMIT_EXCEEDED.
        """
        if scope["type"] in ("http", "websocket") and not is_free(scope["path"]):
            connection = HTTPConnection(scope)
            gateway_of(connection).api_calls.count()
            requester = await _requester(connection)
            scope["rate_limits"] = await gateway_of(connection).limiter.check(requester, _kind(connection, requester))
        await self.app(scope, receive, send)


def is_free(path: str) -> bool:
    """Return whether requests for a path are not counted."""
    return path == "/" or path.startswith(FREE)


async def _requester(connection: HTTPConnection) -> Requester:
    authenticated = connection.scope["authenticated"] = await _authenticate(connection)
    if isinstance(authenticated, Token):
        connection.scope["user_id"] = str(authenticated.actor.user_id)
        return Requester.of(authenticated.actor)
    return Requester("anonymous", client_address(connection) or "")


async def _authenticate(connection: HTTPConnection) -> Token | Problem | Unavailable:
    """Return the verified token or API key, or the error of routes that need one."""
    try:
        credentials = presented(connection)
        if credentials is None:
            return Problem(EdgeCode.UNAUTHENTICATED, NOT_PRESENTED)
        return await gateway_of(connection).tokens.verify(credentials)
    except (Problem, Unavailable) as error:
        return error


def _kind(connection: HTTPConnection, requester: Requester) -> Kind:
    path: str = connection.scope["path"]
    if connection.scope["type"] == "websocket" or STREAMS.fullmatch(path):
        return "stream"
    if QUERIES.fullmatch(path) and EVENT_STREAM in connection.headers.get("accept", ""):
        return "stream"
    if connection.scope["method"] in READ_METHODS:
        return "read"
    return "login" if requester.payer == "anonymous" and path.startswith(LOGIN_PREFIX) else "write"
