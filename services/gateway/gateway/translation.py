"""Whatever a request ends in, made a problem: refusals of services, faults, and what the framework raises."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, cast

from contracts.refusals import Code, Refusal
from fastapi.exceptions import RequestValidationError
from runtime.bus import OutcomeUnknown, Unavailable
from runtime.logging import get_logger
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.problems import EdgeCode, Problem

log = get_logger()

MOST_ERRORS, LONGEST_WORD = 20, 100

_NAMED = frozenset((Code.MCP_SERVER_NOT_FOUND, Code.MODEL_NOT_ALLOWED, Code.VARIABLE_NOT_SET))
"""Refusals of what a client wrote, whose detail begins with the field's name."""

REPEATABLE = frozenset(("cancelRun", "login", "logout", "pauseSession", "refreshTokens", "resumeSession"))
"""The POST operations that may be sent twice: the second time does nothing more, or nothing that matters."""

_FRAMEWORK: dict[int, tuple[EdgeCode, str]] = {
    400: (EdgeCode.MALFORMED_JSON, "The body cannot be read as JSON."),
    404: (EdgeCode.NOT_FOUND, "There is nothing at this address."),
    405: (EdgeCode.METHOD_NOT_ALLOWED, "This address does not take the method."),
    413: (EdgeCode.PAYLOAD_TOO_LARGE, "The body is too large."),
    415: (EdgeCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json."),
}


def of(error: Exception) -> Problem:
    """Give the problem that an exception is for the client."""
    match error:
        case Problem():
            return error
        case Refusal():
            return _refused(error)
        case Unavailable():
            log.warning("a service did not answer", error=str(error))
            return Problem(EdgeCode.UNAVAILABLE, "The service cannot answer now; try again shortly.")
        case RequestValidationError():
            return invalid(cast(Sequence[dict[str, Any]], error.errors()))
        case HTTPException():
            return _framework(error)
        case _:
            log.error("a request failed", exc_info=error)
            return Problem(EdgeCode.INTERNAL_ERROR, "The request failed here; it is logged under its X-Request-ID.")


async def response(request: Request, error: Exception) -> Response:
    """Answer with the problem that an exception is (an exception handler of Starlette)."""
    problem = of(error)
    if isinstance(error, OutcomeUnknown) and _makes_something(request):
        problem = _in_doubt(request)
    if problem.code is EdgeCode.METHOD_NOT_ALLOWED:
        problem.headers["Allow"] = _allowed(request)
        problem.detail = f"This address does not take {request.method}; allowed: {problem.headers['Allow']}."
    return problem.response(request.url.path)


def handlers() -> dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
    """List what is expected to be raised; anything else is a fault, caught at the edge."""
    return dict.fromkeys((Problem, Refusal, Unavailable, RequestValidationError, HTTPException), response)


def _makes_something(request: Request) -> bool:
    operation = getattr(request.scope.get("route"), "operation_id", None)
    return request.method == "POST" and operation not in REPEATABLE


def _in_doubt(request: Request) -> Problem:
    collection = "/".join(request.url.path.split("/")[:4])
    look = "try to log in" if collection == "/api/v1/auth" else f"see GET {collection}"
    detail = f"No answer came, so it is not known whether this was done. Before you send it again, {look}."
    return Problem(EdgeCode.UNAVAILABLE, detail, already=True)


def _allowed(request: Request) -> str:
    # The framework names the methods of one route, and others may have the same path.
    path: str = getattr(request.scope.get("route"), "path_format", "")
    documented = {method.upper() for method in request.app.openapi()["paths"].get(path, {"get": None})}
    return ", ".join(sorted(documented | ({"HEAD"} if "GET" in documented else set[str]())))


def _refused(refusal: Refusal) -> Problem:
    field = refusal.detail.partition(": ")[0] if refusal.code in _NAMED else ""
    if field or refusal.code is Code.PASSWORD_TOO_COMMON:
        place = field.split(".") if field else ["password"]
        error = {"loc": ["body", *place], "msg": refusal.detail, "type": refusal.code.lower()}
        return Problem(refusal.code, refusal.detail, errors=[error])
    return Problem(refusal.code, refusal.detail)


def _framework(error: HTTPException) -> Problem:
    code, detail = _FRAMEWORK.get(error.status_code, (EdgeCode.INTERNAL_ERROR, "The request failed."))
    return Problem(code, detail, headers=error.headers)


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem that lists validation errors; each place begins with `body`, `query` or the like."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(EdgeCode.MALFORMED_JSON, "The body is not valid JSON.")
    # The input itself is left out: it may hold a password. Names of unknown fields are the client's, and cut.
    listed = [
        {"loc": [_cut(word) for word in error["loc"]], "msg": _message(error), "type": error["type"]}
        for error in errors[:MOST_ERRORS]
    ]
    return Problem(EdgeCode.VALIDATION_ERROR, _sentence(listed, len(errors)), errors=listed)


def _message(error: Mapping[str, Any]) -> str:
    # Pydantic's own text for it, "Extra inputs are not permitted", does not say what an input is.
    unknown = error["type"] == "extra_forbidden" and error["loc"][0] != "query"
    return "Unknown field" if unknown else error["msg"].removeprefix("Value error, ")


def _cut(word: str | int) -> str | int:
    return word if isinstance(word, int) else word[:LONGEST_WORD]


def _sentence(listed: Sequence[Mapping[str, Any]], total: int) -> str:
    first = listed[0]
    place = ".".join(map(str, first["loc"][1:])) or first["loc"][0]
    more = f" ({total - 1} more)" if total > 1 else ""
    return f"{place}: {first['msg']}{more}."
