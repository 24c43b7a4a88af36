"""Translates exceptions to problems: refusals of services, outages, and what the framework raises."""

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, cast

from contracts.refusals import Code, Refusal
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from runtime.bus import OutcomeUnknown, Unavailable
from runtime.logging import get_logger
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, WebSocketRoute

from gateway import ids
from gateway.problems import EdgeCode, Problem
from gateway.problems.validation_messages import MAX_NAME_LENGTH, location, message, with_known_fields

log = get_logger()

MAX_ERRORS = 20
COLLECTION = re.compile(r"/api/v1/(?:auth/api-keys|admin/[^/]+|(?!auth/)[^/]+)")
"""The beginning of a path that is the path of a list, unless the list is elsewhere."""
LISTED_AT = {"/api/v1/admin/service-accounts": "/api/v1/admin/users"}

_NAMED = frozenset(
    (
        *(Code.INVALID_SERVER, Code.MODEL_NOT_ALLOWED, Code.OPTION_NOT_ALLOWED, Code.VARIABLE_NOT_SET),
        *(Code.PASSWORD_TOO_COMMON, Code.WRONG_PASSWORD),
        *(Code.INVALID_EVENT_NAME, Code.INVALID_SCHEDULE, Code.INVALID_TIMEZONE, Code.TEMPLATE_INVALID),
    )
)
"""Refusals of a value that the client sent; their detail begins with the name of the field."""

REPEATABLE = frozenset(
    (
        *("login", "logout", "logoutEverywhere", "refreshTokens", "issuePasswordReset"),
        *("cancelRun", "pauseSession", "resumeSession"),
        *("enableMcpServer", "disableMcpServer", "checkMcpServer", "acceptMcpServerTools"),
        *("pauseTask", "resumeTask", "renderPrompt", "cancelExecution", "cancelBackfill", "fireTrigger"),
    )
)
"""The POST operations that are safe to send twice: the second request changes nothing, or nothing that matters."""

NO_PATH = "There is no such path. All paths begin with `/api/v1`; the reference is at `/docs`."
NO_SLASH = "There is no such path: none ends with a slash. Leave it out."
ONLY_WEBSOCKET = "This path is a WebSocket: use `ws://` or `wss://`. Server-sent events are at `…/events`."
MAX_SUMMARIZED = 5
"""The number of errors that the detail of a problem lists; its `errors` have more."""

_FRAMEWORK: dict[int, tuple[EdgeCode, str]] = {
    400: (EdgeCode.MALFORMED_JSON, "The body cannot be parsed as JSON."),
    404: (EdgeCode.NOT_FOUND, NO_PATH),
    405: (EdgeCode.METHOD_NOT_ALLOWED, "This path does not support the method."),
    415: (EdgeCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json."),
}


def of(error: Exception) -> Problem:
    """Return the problem that an exception is to the client."""
    match error:
        case Problem():
            return error
        case Refusal():
            return _refused(error)
        case Unavailable():
            log.warning("service unavailable", error=str(error))
            return Problem(EdgeCode.UNAVAILABLE, "A service did not answer in time. Try again in a moment.")
        case RequestValidationError():
            return invalid(cast(Sequence[dict[str, Any]], error.errors()))
        case HTTPException():
            return _framework(error)
        case _:
            log.error("request failed", exc_info=error)
            detail = "An internal error occurred. The server's log has it under this response's X-Request-ID."
            return Problem(EdgeCode.INTERNAL_ERROR, detail)


async def response(request: Request, error: Exception) -> Response:
    """Return the response of the problem that an exception is (an exception handler of Starlette)."""
    problem = _invalid_request(request, error) if isinstance(error, RequestValidationError) else of(error)
    if isinstance(error, OutcomeUnknown) and _creates_something(request) and not ids.derived():
        problem = _unknown_outcome(request)
    if problem.code is EdgeCode.METHOD_NOT_ALLOWED:
        problem.headers["Allow"] = _allowed(request)
        problem.detail = f"This path does not support {request.method}; allowed: {problem.headers['Allow']}."
    if problem.detail == NO_PATH:
        problem.detail = _no_path(request)
    return problem.response(request.scope)


def handlers() -> dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
    """Return the handlers of expected exceptions; any other is an internal error, which `middleware.edge` catches."""
    return dict.fromkeys((Problem, Refusal, Unavailable, RequestValidationError, HTTPException), response)


def _no_path(request: Request) -> str:
    scope = {**request.scope, "type": "websocket"}
    if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes if isinstance(route, WebSocketRoute)):
        return ONLY_WEBSOCKET
    return NO_SLASH if request.url.path.endswith("/") else NO_PATH


def _creates_something(request: Request) -> bool:
    operation = getattr(request.scope.get("route"), "operation_id", None)
    return request.method == "POST" and operation not in REPEATABLE


def _unknown_outcome(request: Request) -> Problem:
    path = list_of(request.url.path)
    return in_doubt(f"check GET {path}" if path else "try to log in")


def list_of(path: str) -> str | None:
    """Return the path of the list in which what a request creates appears; None for accounts."""
    found = COLLECTION.match(path)
    return found and LISTED_AT.get(found[0], found[0])


def in_doubt(check: str) -> Problem:
    """Return the problem of a request that may have been carried out; `check` says how the client finds out."""
    detail = (
        "No reply arrived in time, so the request may have been carried out. With an Idempotency-Key it would be safe "
        f"to send it again. Before you do so without one, {check}."
    )
    return Problem(EdgeCode.UNAVAILABLE, detail, already=True)


def _allowed(request: Request) -> str:
    # The framework names the methods of one route, and other routes may have the same path.
    path: str = getattr(request.scope.get("route"), "path_format", "")
    methods = request.app.openapi()["paths"].get(path) or getattr(request.scope.get("route"), "methods", ["GET"])
    documented = {method.upper() for method in methods}
    return ", ".join(sorted(documented | ({"HEAD"} if "GET" in documented else set[str]())))


def _refused(refusal: Refusal) -> Problem:
    if refusal.code in _NAMED:
        field, _, reason = refusal.detail.partition(": ")
        error = {"loc": ["body", *field.split(".")], "msg": reason.removesuffix("."), "type": refusal.code.lower()}
        return Problem(refusal.code, refusal.detail, owner=refusal.owner, errors=[error])
    return Problem(refusal.code, refusal.detail, retry_after=refusal.retry_after, owner=refusal.owner, **refusal.data)


def _framework(error: HTTPException) -> Problem:
    if error.status_code == 413:  # raised by the gateway alone, with the limit as its detail
        return Problem(EdgeCode.PAYLOAD_TOO_LARGE, error.detail, headers=error.headers)
    code, detail = _FRAMEWORK.get(error.status_code, (EdgeCode.INTERNAL_ERROR, "The request failed."))
    return Problem(code, detail, headers=error.headers)


def _invalid_request(request: Request, error: RequestValidationError) -> Problem:
    route = request.scope.get("route")
    body = route.body_field.field_info.annotation if isinstance(route, APIRoute) and route.body_field else None
    return invalid(with_known_fields(error.errors(), body, start=1))


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem that lists validation errors; each location begins with `body`, `query` or the like."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(EdgeCode.MALFORMED_JSON, "The body is not valid JSON.")
    # The input itself is left out: it may hold a password. Names of unknown fields are the client's, and cut.
    listed = [
        {"loc": [_cut(part) for part in location(error)], "msg": message(error), "type": error["type"]}
        for error in errors[:MAX_ERRORS]
    ]
    return Problem(EdgeCode.VALIDATION_ERROR, _summary(listed, len(errors)), errors=listed)


def _cut(part: str | int) -> str | int:
    return part if isinstance(part, int) else part[:MAX_NAME_LENGTH]


def _summary(listed: Sequence[Mapping[str, Any]], total: int) -> str:
    shown = [_sentence(error) for error in listed[:MAX_SUMMARIZED]]
    more = [f"({total - len(shown)} more)"] if total > len(shown) else []
    return " ".join(shown + more)


def _sentence(error: Mapping[str, Any]) -> str:
    # Pydantic marks an error in the key of an object, rather than in its value, by a last part `[key]`.
    path = ".".join(str(part) for part in error["loc"][1:] if part != "[key]") or error["loc"][0]
    return f"{path}: {error['msg']}."
