"""Every way in which a request can fail, as the client sees it: RFC 9457 problems, one shape for all."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from contracts.refusals import Code
from runtime import clock
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class EdgeCode(StrEnum):
    """Why the gateway itself says no, before or instead of a service."""

    ANSWER_NOT_READY = "ANSWER_NOT_READY"
    FORBIDDEN = "FORBIDDEN"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    MALFORMED_JSON = "MALFORMED_JSON"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    NOT_FOUND = "NOT_FOUND"
    NOT_RESUMABLE = "NOT_RESUMABLE"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    RANGE_NOT_SATISFIABLE = "RANGE_NOT_SATISFIABLE"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN_HOST = "UNKNOWN_HOST"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    VALIDATION_ERROR = "VALIDATION_ERROR"


TABLE: dict[Code | EdgeCode, tuple[int, str]] = {
    Code.ADMINS_ONLY: (403, "Only for administrators"),
    Code.AGENT_FAILED: (502, "The agent failed"),
    Code.APPROVAL_NOT_FOUND: (404, "There is no such approval"),
    Code.APPROVAL_OVER: (409, "The approval is over"),
    Code.ARCHIVE_NOT_FOUND: (404, "There is no archive"),
    Code.BUDGET_EXCEEDED: (409, "The budget is used up"),
    Code.COMMAND_REPEATED: (409, "This was done before"),
    Code.CONVERSATION_FULL: (409, "The conversation is full"),
    Code.EMAIL_TAKEN: (409, "The e-mail address is taken"),
    Code.FILE_CHANGED: (409, "The file has changed meanwhile"),
    Code.FILE_NOT_FOUND: (404, "There is no such file"),
    Code.INVALID_CREDENTIALS: (401, "The credentials are wrong"),
    Code.INVALID_PATH: (422, "The path is not valid"),
    Code.INVALID_REFRESH_TOKEN: (401, "The refresh token is not valid"),
    Code.MAX_TURNS_REACHED: (409, "The run reached its limit of turns"),
    Code.MCP_SERVER_NOT_FOUND: (422, "There is no such MCP server"),
    Code.MESSAGE_NOT_FOUND: (404, "There is no such message"),
    Code.MODEL_ERROR: (502, "The model provider refused or failed"),
    Code.MODEL_NOT_ALLOWED: (422, "The model is not offered here"),
    Code.NOTHING_TO_INTERRUPT: (409, "The session has no active run"),
    Code.NOT_A_FILE: (409, "Not a regular file"),
    Code.NOT_OWNER: (403, "Only its owner may change it"),
    Code.OUTPUT_NOT_VALID: (502, "The output does not match output_format"),
    Code.PASSWORD_TOO_COMMON: (422, "The password is too common"),
    Code.QUEUE_FULL: (409, "Too many queries wait in the session"),
    Code.REGISTRATION_CLOSED: (403, "Registration is closed"),
    Code.RUN_CANCELLED: (409, "The run was cancelled"),
    Code.RUN_INTERRUPTED: (500, "The run was interrupted"),
    Code.RUN_NOT_FOUND: (404, "There is no such run"),
    Code.RUN_OVER: (409, "The run is over"),
    Code.RUN_TAKEN: (409, "Another worker has the run"),
    Code.RUN_TIMEOUT: (504, "The run took too long"),
    Code.RUN_TOO_LARGE: (502, "The agent told too much"),
    Code.SESSION_ARCHIVED: (409, "The session is archived"),
    Code.SESSION_BUSY: (409, "A run is going in the session"),
    Code.SESSION_NOT_FOUND: (404, "There is no such session"),
    Code.SESSION_NOT_READY: (409, "The session is not ready"),
    Code.SESSION_PAUSED: (409, "The session is paused"),
    Code.STORAGE_FAILED: (507, "The files could not be stored"),
    Code.TEMPLATE_NOT_FOUND: (404, "There is no such template"),
    Code.TOO_MANY_LOGINS: (503, "Too many logins at once"),
    Code.TOOL_CALL_NOT_FOUND: (404, "There is no such tool call"),
    Code.USERNAME_TAKEN: (409, "The user name is taken"),
    Code.USER_INACTIVE: (403, "The account is disabled"),
    Code.USER_NOT_FOUND: (404, "There is no such user"),
    Code.VARIABLE_NOT_SET: (422, "The variable has no value yet"),
    Code.WORKSPACE_FULL: (409, "The workspace is full"),
    EdgeCode.ANSWER_NOT_READY: (504, "Run still in progress"),
    EdgeCode.FORBIDDEN: (403, "Not allowed"),
    EdgeCode.INTERNAL_ERROR: (500, "Something went wrong here"),
    EdgeCode.MALFORMED_JSON: (400, "The body is not JSON"),
    EdgeCode.METHOD_NOT_ALLOWED: (405, "Not with this method"),
    EdgeCode.NOT_ACCEPTABLE: (406, "Not in a media type that the client takes"),
    EdgeCode.NOT_FOUND: (404, "There is nothing here"),
    EdgeCode.NOT_RESUMABLE: (409, "A query cannot be resumed"),
    EdgeCode.PAYLOAD_TOO_LARGE: (413, "The body is too large"),
    EdgeCode.RANGE_NOT_SATISFIABLE: (416, "Range not satisfiable"),
    EdgeCode.TOO_MANY_STREAMS: (429, "Too many open streams"),
    EdgeCode.UNAUTHENTICATED: (401, "Not signed in"),
    EdgeCode.UNAVAILABLE: (503, "Service temporarily unavailable"),
    EdgeCode.UNKNOWN_HOST: (421, "Unknown host name"),
    EdgeCode.UNSUPPORTED_MEDIA_TYPE: (415, "The body has the wrong media type"),
    EdgeCode.VALIDATION_ERROR: (422, "The request is not valid"),
}

RETRY_AFTER = 1
"""Seconds after which what failed with 503 is worth another try."""


class Problem(Exception):
    """Ends the request with a problem; `extra` are members beyond the common ones.

    A 503 says when to try again, unless a repetition could do what was done `already`.
    """

    def __init__(
        self,
        code: Code | EdgeCode,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        already: bool = False,
        **extra: Any,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.headers, self.extra = code, detail, dict(headers or {}), extra
        self.status, self.title = TABLE[code]
        if self.status == HTTPStatus.UNAUTHORIZED:
            self.headers.setdefault("WWW-Authenticate", "Bearer")
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE and not already:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER))
            self.extra.setdefault("retry_after", RETRY_AFTER)

    def body(self, instance: str, at: datetime) -> dict[str, Any]:
        """Write the problem down; `instance` is the path that was asked for."""
        return {
            "type": f"urn:agentapi:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "error_code": self.code,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **self.extra,
        }

    def response(self, instance: str) -> Response:
        """Give the HTTP response."""
        body = json.dumps(self.body(instance, clock.now()))  # escapes lone surrogates, which a client may have sent
        return Response(body, self.status, self.headers, MEDIA_TYPE)


def documented(*codes: Code | EdgeCode) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, the problems that an operation can end in."""
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in (Problem(code, TABLE[code][1] + ".") for code in sorted(codes)):
        content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        empty = {"description": HTTPStatus(problem.status).phrase, "content": {MEDIA_TYPE: content}}
        examples = responses.setdefault(problem.status, empty)["content"][MEDIA_TYPE]["examples"]
        examples[problem.code] = {"summary": problem.title, "value": problem.body("/api/v1/...", _EXAMPLE_TIME)}
    return responses


def headed(
    responses: dict[int | str, dict[str, Any]], headers: Mapping[int, tuple[str, ...]]
) -> dict[int | str, dict[str, Any]]:
    """Add, for OpenAPI, which headers the responses with a status have besides those that all have."""
    for status, names in headers.items():
        references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        responses.setdefault(status, {}).setdefault("headers", {}).update(references)
    return responses


_EXAMPLE_TIME = datetime(2026, 11, 25, 9, tzinfo=UTC)
