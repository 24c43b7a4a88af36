"""Preconditions of changes to files. These have no versions, so the file is compared before it is changed."""

import asyncio
from http import HTTPStatus

from contracts.refusals import Code
from runtime.bus import Unavailable
from starlette.requests import Request
from starlette.types import Message, Scope

from gateway.entity_tags import failed
from gateway.problems import Problem

CONDITIONAL = frozenset({b"if-match", b"if-none-match", b"if-range", b"range", b"content-length", b"content-type"})
"""Headers of a change that do not belong to reading what it changes."""


async def check_file(request: Request) -> None:
    """Check `If-Match` and `If-None-Match` of a request that changes a file.

    Raises:
        Problem: one of them does not hold, or the client may not read the session.
        Unavailable: the file cannot be read at the moment.
    """
    headers = request.headers
    if "if-match" in headers and not await _is_one_of(headers.getlist("if-match"), request):
        raise failed()
    if "if-none-match" in headers and await _is_one_of(headers.getlist("if-none-match"), request):
        raise failed()


async def _is_one_of(tags: list[str], request: Request) -> bool:
    """Return whether a download from the same path would be answered 304 to a client with these tags."""
    kept = [(name, value) for name, value in request.scope["headers"] if name not in CONDITIONAL]
    # The range keeps a file with another tag from being sent as a whole.
    conditions = [(b"if-none-match", ",".join(tags).encode("latin-1")), (b"range", b"bytes=0-0")]
    scope: Scope = {**request.scope, "method": "GET", "query_string": b"", "headers": [*kept, *conditions]}
    statuses = list[int]()

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

    await request.app.router(scope, _nothing, send)
    if statuses == [HTTPStatus.SERVICE_UNAVAILABLE]:
        raise Unavailable("the file cannot be compared")
    problem: Problem | None = scope.get("problem")
    if problem and (problem.status == HTTPStatus.FORBIDDEN or problem.code is Code.SESSION_NOT_FOUND):
        raise problem  # that, and not the precondition, is what the client and the audit log have to learn
    return statuses == [HTTPStatus.NOT_MODIFIED]


async def _nothing() -> Message:
    await asyncio.Event().wait()  # the response waits for a disconnection until it is complete
    return {"type": "http.disconnect"}
