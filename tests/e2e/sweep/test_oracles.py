"""Nothing in a response says whether a resource of another user exists."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from gateway.openapi import EXAMPLES
from gateway.routing.entity_tags import tag_of
from onebox.testing.system import System

from tests.e2e.sweep.operations import Ids, Operation, operations
from tests.e2e.sweep.resources import Owner
from tests.e2e.user import User, newcomer, searched_client

pytestmark = pytest.mark.timeout(600)

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


@dataclass(frozen=True)
class Strangers:
    """Someone without resources, the ids of another user's, and a client."""

    stranger: User
    ids: Ids
    http: httpx.Client


@pytest.fixture(scope="module")
def strangers(swept_system: System) -> Generator[Strangers]:
    with ExitStack() as opened:
        owner, bystander = Owner(swept_system.base_url), User(swept_system.base_url)
        for user in (owner, bystander):
            opened.enter_context(user.http)
            user.register()
            user.log_in()
        http = opened.enter_context(searched_client(swept_system.base_url))
        for stranger in newcomer(swept_system):
            yield Strangers(stranger, owner.create_all(bystander), http)


def shown(strangers: Strangers, operation: Operation, ids: Ids, headers: Mapping[str, str]) -> object:
    """Return what a stranger can see of a response."""
    path = operation.url(ids)
    if headers.get("if-match") == "forged":  # anybody can compute it
        headers = {"if-match": tag_of(path, b"", 1)}
    keyed = {name: f"{value}-{operation.id}-{ids is EXAMPLES}" for name, value in headers.items() if "key" in name}
    sent = {"authorization": strangers.stranger.http.headers["authorization"], **headers, **keyed}
    body: dict[str, Any] = {**operation.body(ids), "params": operation.required_query()}
    with strangers.http.stream(operation.method, path, headers=sent, **body) as response:
        assert not response.headers.get("content-type", "").startswith("text/event-stream")
        response.read()
    problem: dict[str, Any] = response.json() if response.content else {}
    seen = {name: value for name, value in problem.items() if name not in ("instance", "request_id", "timestamp")}
    kept = {name: value for name, value in response.headers.items() if name not in VOLATILE}
    return response.status_code, without_ids(str(seen), ids), kept


def without_ids(text: str, ids: Ids) -> str:
    for value in ids.values():
        text = text.replace(value, "an id")
    return text


def differences(strangers: Strangers, headers: Mapping[str, str]) -> Iterator[str]:
    for operation in OPERATIONS:
        of_other = shown(strangers, operation, strangers.ids, headers)
        unknown = shown(strangers, operation, EXAMPLES, headers)
        if of_other != unknown:
            yield f"{operation.method} {operation.path}: {of_other} but {unknown}"


@pytest.mark.parametrize("headers", ASKED, ids=str)
def test_a_resource_of_another_user_looks_like_none(strangers: Strangers, headers: dict[str, str]) -> None:
    assert list(differences(strangers, headers)) == []


def test_a_key_of_another_user_is_unused(strangers: Strangers, swept_system: System) -> None:
    key = {"idempotency-key": "of-everybody"}
    first = strangers.stranger.http.post("/sessions", json={"name": "one"}, headers=key)
    for other in newcomer(swept_system):
        second = other.http.post("/sessions", json={"name": "other"}, headers=key)
        assert (first.status_code, second.status_code, second.json()["name"]) == (201, 201, "other")
