"""Rate limits of all routes: who sends a request is found out once, before the route, and the request is counted."""

import re

from runtime.bus import Unavailable
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.clients.auth.callers import Anyone
from gateway.clients.auth.token import CLIENT, Token, presented
from gateway.clients.auth.tokens import Tokens
from gateway.clients.client_address import client_address, exact_address
from gateway.clients.rates.limiter import Requester
from gateway.clients.rates.rules import Kind
from gateway.entry.parts import Parts
from gateway.problems import EdgeCode, Problem

FREE = ("/health", "/metrics", "/docs", "/redoc", "/api/v1/openapi.json", "/asyncapi.json", "/console", "/.well-known/")
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

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self.app, self.parts = app, parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate and count a request, or a WebSocket, and pass it on.

        Raises:
            Problem: RATE_LIMIT_EXCEEDED.
        """
        if scope["type"] in ("http", "websocket"):
            connection = HTTPConnection(scope)
            scope[CLIENT] = Anyone(self.parts.bus, scope["request_id"], address=exact_address(connection))
            if not is_free(scope["path"]):
                await self._count(connection)
        await self.app(scope, receive, send)

    async def _count(self, connection: HTTPConnection) -> None:
        self.parts.api_calls.count()
        requester = await _requester(connection, self.parts.tokens)
        headers = await self.parts.limiter.check(requester, _kind(connection, requester))
        connection.scope["rate_limits"] = headers


def is_free(path: str) -> bool:
    """Return whether requests for a path are not counted."""
    return path == "/" or path.startswith(FREE)


async def _requester(connection: HTTPConnection, tokens: Tokens) -> Requester:
    authenticated = connection.scope["authenticated"] = await _authenticate(connection, tokens)
    if isinstance(authenticated, Token):
        connection.scope["user_id"] = str(authenticated.actor.user_id)
        return Requester.of(authenticated.actor)
    return Requester("anonymous", client_address(connection) or "")


async def _authenticate(connection: HTTPConnection, tokens: Tokens) -> Token | Problem | Unavailable:
    """Return the verified token or API key, or the error of routes that need one."""
    try:
        credentials = presented(connection)
        if credentials is None:
            return Problem(EdgeCode.UNAUTHENTICATED, NOT_PRESENTED)
        return await tokens.verify(credentials)
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
