"""Requests of a sweep, and what is wrong with their responses."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.sweep.clients import Client
from tests.e2e.sweep.operations import Ids, Operation
from tests.e2e.sweep.rules import Outcome, outcomes

PROBLEM, EVENTS = "application/problem+json", "text/event-stream"


@dataclass(frozen=True)
class Answer:
    """The response to a request of a sweep, and what it should be."""

    operation: Operation
    client: str
    sent: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    expected: Outcome

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    @property
    def shows_nothing(self) -> bool:
        """Whether the request was refused, or the answer is an empty list."""
        is_refused = httpx.codes.is_client_error(self.status)
        return is_refused or (self.operation.method == "GET" and json.loads(self.content).get("items") == [])

    @property
    def _is_expected(self) -> bool:
        return self.expected in outcomes(self.operation, self.status)

    def violations(self) -> Iterator[str]:
        """Yield what is wrong with the response."""
        label = f"{self.client}: {self.operation.method} {self.operation.path}: {self.status}"
        if not (self.shows_nothing if self.expected == "nothing" else self._is_expected):
            yield f"{label} instead of {self.expected}: {self.text[:300]}"
        if self.status not in self.operation.statuses:
            yield f"{label} is not documented"
        elif self.status >= httpx.codes.BAD_REQUEST:
            yield from (f"{label}: {flaw}" for flaw in self._flaws())

    def _flaws(self) -> Iterator[str]:
        """Yield where the body of an error is not a problem as documented."""
        if self.headers["content-type"] != PROBLEM:
            yield f"the content type is {self.headers['content-type']}"
            return
        problem = json.loads(self.content)
        if problem["error_code"] not in self.operation.codes(self.status):
            yield f"{problem['error_code']} is not documented"
        if (problem["status"], problem["request_id"]) != (self.status, self.headers["x-request-id"]):
            yield "the status or the request id in the body is another one"


class Sender:
    """Sends requests to a system."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def send(self, operation: Operation, client: Client, ids: Ids, expected: Outcome, **more: Any) -> Answer:
        """Send the example of an operation with these ids; of an event stream, only the head is read."""
        query = operation.required_query() | more.pop("params", {})
        url, body = operation.url(ids), {**operation.body(ids), "params": query, **more}
        with self.http.stream(operation.method, url, headers=client.headers, **body) as response:
            is_stream = response.headers.get("content-type", "").startswith(EVENTS)
            content = b"" if is_stream else response.read()
        sent = f"{url} {body}"
        return Answer(operation, client.name, sent, response.status_code, response.headers, content, expected)
