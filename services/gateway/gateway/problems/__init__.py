"""The problems (RFC 9457) that requests can fail with: one shape for all."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from contracts.refusals import Code
from runtime import clock
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from gateway.problems.codes import TABLE, EdgeCode

__all__ = [
    "MEDIA_TYPE",
    "OVER_QUOTA",
    "RETRYABLE",
    "RETRYABLE_QUOTAS",
    "RETRY_AFTER",
    "TABLE",
    "EdgeCode",
    "Problem",
    "WaitAbandoned",
    "WaitRefused",
    "documented",
    "example",
    "headed",
    "over_quota",
]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 1
"""Seconds after which a client may retry a request that failed with 503, or with 429 unless that says otherwise."""
RETRYABLE_QUOTAS = frozenset({"concurrent_runs", "sessions_per_month"})
"""Quotas of which a 429 says that they are used up, since the same request succeeds later; of the others, a 409."""
_NEXT_MONTH: dict[str, Any] = {"resets_at": "2026-12-01T00:00:00Z", "retry_after": 486_000}
OVER_QUOTA: dict[str, dict[str, Any]] = {
    "concurrent_runs": {"quota": "concurrent_runs", "limit": 5, "used": 5, "resets_at": None},
    "sessions_per_month": {"quota": "sessions_per_month", "limit": 1000, "used": 1000} | _NEXT_MONTH,
    "storage_bytes": {"quota": "storage_bytes", "limit": 10**10, "used": 9_990_000_000, "resets_at": None},
    "budget_per_month_usd": {"quota": "budget_per_month_usd", "limit": 50.0, "used": 50.2} | _NEXT_MONTH,
}
"""Examples of what the problem says about each quota."""
RETRYABLE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class WaitAbandoned(ClientDisconnect):
    """The client is gone while it waited for what it had started, which continues."""


class Problem(Exception):
    """Ends the request with a problem; `extra` holds members beyond the common ones.

    A 429 and a 503 say when to retry, unless the request may have been carried out `already` and would take effect
    twice; others do if `retry_after` is passed. `owner` is the user whose resource is denied; it is for the audit log
    only.
    """

    def __init__(
        self,
        code: Code | EdgeCode,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        already: bool = False,
        retry_after: int | None = None,
        owner: UUID | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.headers, self.extra = code, detail, dict(headers or {}), extra
        self.status, self.title = TABLE[code]
        self.owner = owner
        if code is Code.QUOTA_EXCEEDED and extra.get("quota") in RETRYABLE_QUOTAS:
            self.status = HTTPStatus.TOO_MANY_REQUESTS.value
        if self.status == HTTPStatus.UNAUTHORIZED:
            self.headers.setdefault("WWW-Authenticate", "Bearer")
        if (self.status in RETRYABLE or retry_after) and not already:
            seconds = retry_after or RETRY_AFTER
            self.headers["Retry-After"], self.extra["retry_after"] = str(seconds), seconds

    def body(self, instance: str, request_id: str, at: datetime) -> dict[str, Any]:
        """Return the members of the problem; `instance` is the path of the request."""
        return {
            "type": f"urn:agentapi:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "error_code": self.code,
            "request_id": request_id,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **self.extra,
        }

    def response(self, scope: Scope) -> Response:
        """Return the HTTP response to the request with this scope, which then has the problem."""
        scope["problem"] = self
        body = json.dumps(
            self.body(scope["path"], scope["request_id"], clock.now())
        )  # escapes the lone surrogates that a client may have sent
        return Response(body, self.status, self.headers, MEDIA_TYPE)


class WaitRefused(Problem):
    """The client was logged out or disabled while it waited for what it had started, which continues."""

    def __init__(self) -> None:
        detail = "The access was revoked while the request waited for its result. What it has started continues."
        super().__init__(EdgeCode.UNAUTHENTICATED, detail)


def documented(*codes: Code | EdgeCode, quotas: Sequence[str] = ()) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an operation that can fail with these problems, or because of these quotas."""
    responses: dict[int | str, dict[str, Any]] = {}
    over = ((over_quota(quota), f"{Code.QUOTA_EXCEEDED}-{quota}") for quota in quotas)
    for problem, name in (*((example(code), str(code)) for code in sorted(codes)), *over):
        content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        empty = {"description": HTTPStatus(problem.status).phrase, "content": {MEDIA_TYPE: content}}
        examples = responses.setdefault(problem.status, empty)["content"][MEDIA_TYPE]["examples"]
        examples[problem.code] = {"$ref": f"#/components/examples/{name}"}
    return responses


def example(code: Code | EdgeCode) -> Problem:
    """Return a problem with this code, for OpenAPI."""
    return Problem(code, f"{TABLE[code][1]}.")


def over_quota(quota: str) -> Problem:
    """Return the problem of a quota that is used up, for OpenAPI."""
    return Problem(Code.QUOTA_EXCEEDED, f"The quota {quota} is used up.", **OVER_QUOTA[quota])


def headed(
    responses: dict[int | str, dict[str, Any]], headers: Mapping[int, tuple[str, ...]]
) -> dict[int | str, dict[str, Any]]:
    """Add, for OpenAPI, the headers that responses with a status have in addition to the common ones."""
    for status, names in headers.items():
        references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        responses.setdefault(status, {}).setdefault("headers", {}).update(references)
    return responses
