"""The spans of requests, without what may be secret: the path, the query string, and the address of the client."""

from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

from runtime import telemetry
from runtime.telemetry import SpanKind
from starlette.datastructures import Headers
from starlette.types import Scope

from gateway.entry.metrics import METHODS

PROBES = ("/health", "/metrics")
"""The beginnings of paths that leave no spans: they are requested every few seconds, for as long as the system runs."""
IDS = ("session_id", "run_id")


def request(scope: Scope, *, is_trusted: bool) -> AbstractContextManager[None]:
    """Return the span of a request or a WebSocket.

    It begins a trace with a link to that of the client, who could decide otherwise what is recorded, and in which
    trace. It is part of the trace that a trusted proxy has begun.
    """
    if scope["path"].startswith(PROBES):
        return nullcontext()
    method, client = _method(scope), Headers(scope=scope).get("traceparent")
    if is_trusted and client:
        return telemetry.span(method, SpanKind.SERVER, parent=client)
    return telemetry.new_trace(method, SpanKind.SERVER, link=client)


def describe(scope: Scope, status: int) -> None:
    """Add the outcome of a request to its span. What a client does wrong is no error of the server."""
    if not telemetry.is_recording():
        return
    method, route = _method(scope), getattr(scope.get("route"), "path_format", None)
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "http.response.status_code": status,
        "url.scheme": scope["scheme"],
    }
    if route:
        attributes["http.route"] = route
    if user_id := scope.get("user_id"):
        attributes["agentapi.user.id"] = user_id
    attributes |= {telemetry.IDS[name]: id for name in IDS if (id := _id(scope, name))}
    if problem := scope.get("problem"):
        attributes["agentapi.refusal.code"] = str(problem.code)
    telemetry.annotate(attributes, f"{method} {route}" if route else method)
    if 500 <= status < 600:
        telemetry.fail(str(status))


def _method(scope: Scope) -> str:
    method: str = scope.get("method", "GET")  # of a WebSocket, whose handshake is a GET
    return method if method in METHODS else "_OTHER"


def _id(scope: Scope, name: str) -> str | None:
    """Return an id of the path, unless it is something else that the client has sent."""
    try:
        return str(UUID(scope.get("path_params", {}).get(name, "")))
    except (ValueError, AttributeError):
        return None
