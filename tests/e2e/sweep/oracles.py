"""Requests of someone without resources, with ids that exist and with others: the answers have to be the same."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from gateway.openapi import EXAMPLES
from gateway.routing.entity_tags import tag_of

from tests.e2e.sweep.operations import Ids, Operation, operations
from tests.e2e.user import User

OPERATIONS = [each for each in operations() if each.parameters and not each.is_public and each.scope != "admin"]
VOLATILE = {"date", "x-request-id", "x-response-time", "content-length", "location"}
ASKED: list[dict[str, str]] = [
    {},
    {"if-none-match": "*"},
    {"if-none-match": 'W/"x", "1-x"'},
    {"if-match": "*"},
    {"if-match": '"1-00000000"'},
    {"if-match": "forged"},
    {"idempotency-key": "guessed"},
    {"range": "bytes=0-0", "if-range": '"x"'},
    {"prefer": "respond-async, wait=0"},
    {"accept": "text/event-stream", "last-event-id": "1"},
]


SHARE = 3
"""In a short sweep, each operation is requested plainly, and with one in so many of the other headers."""


def revealing(http: httpx.Client, stranger: User, ids: Ids, *, is_short: bool) -> Iterator[str]:
    """Yield where the ids of another user are answered in another way than ids that do not exist."""
    authorization = stranger.http.headers["authorization"]
    for position, headers in enumerate(ASKED):
        sent = {"authorization": authorization, **headers}
        for number, operation in enumerate(OPERATIONS):
            if is_short and headers and (number + position) % SHARE:
                continue
            of_other, unknown = (_shown(http, operation, each, sent) for each in (ids, EXAMPLES))
            if of_other != unknown:
                yield f"{operation.method} {operation.path} {headers}: {of_other} but {unknown}"


def _shown(http: httpx.Client, operation: Operation, ids: Ids, headers: Mapping[str, str]) -> object:
    """Return what a stranger can see of a response."""
    path = operation.url(ids)
    sent = {
        name: f"{value}-{operation.id}-{ids is EXAMPLES}" if "key" in name else value for name, value in headers.items()
    }
    if headers.get("if-match") == "forged":  # anybody can compute it
        sent["if-match"] = tag_of(path, b"", 1)
    body: dict[str, Any] = {**operation.body(ids), "params": operation.required_query()}
    with http.stream(operation.method, path, headers=sent, **body) as response:
        assert not response.headers.get("content-type", "").startswith("text/event-stream")
        response.read()
    problem: dict[str, Any] = response.json() if response.content else {}
    seen = {name: value for name, value in problem.items() if name not in ("instance", "request_id", "timestamp")}
    kept = {name: value for name, value in response.headers.items() if name not in VOLATILE}
    return response.status_code, _without_ids(str(seen), ids), kept


def _without_ids(text: str, ids: Ids) -> str:
    for value in ids.values():
        text = text.replace(value, "an id")
    return text
