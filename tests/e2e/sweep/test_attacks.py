"""Hostile input to every operation of the document, from an account that may do everything: refused, never a fault."""

import gzip
import json
from collections.abc import Generator, Iterable
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from gateway.openapi import EXAMPLES
from onebox.testing.system import System

from tests.e2e.sweep.answers import Answer, Sender
from tests.e2e.sweep.clients import Client
from tests.e2e.sweep.operations import Operation, operations
from tests.e2e.sweep.resources import administrator
from tests.e2e.user import searched_client

pytestmark = pytest.mark.timeout(600)

WITH_JSON = [each for each in operations() if isinstance(each.example(), dict) and not each.is_public]
WITH_IDS = [each for each in operations() if each.parameters and not each.is_public]
LISTS = [each for each in operations() if "limit" in each.query_parameters()]
ASSIGNED = ("id", "user_id", "owner_id", "role", "status", "is_admin", "is_active", "created_at", "total_cost_usd")
IDS = ("*", ">", "a.b", "a b", "..;", "0" * 5000, "\0", "\r\n", "%2e%2e", "{x}", "session.*", "\ud800", "٣")
TEXTS = ("\0", "\r\nx: y", ">", "*.>", "'\"--", "%", "\u202e", "x" * 5000)
SHARE = 3
"""In a short form, one in so many of the texts is sent to each place, and each text to one in so many of the places."""
GZIP = {"content-encoding": "gzip", "content-type": "application/json"}


@pytest.fixture(scope="module")
def client(swept_system: System) -> Generator[Client]:
    admin = administrator(swept_system)
    with admin.http:
        admin.log_in()
        yield Client("attacker", {"authorization": admin.http.headers["authorization"]}, "admin")


@pytest.fixture(params=[pytest.param(SHARE, id="short"), pytest.param(1, id="complete", marks=pytest.mark.long)])
def share(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="module")
def sender(swept_system: System) -> Generator[Sender]:
    with searched_client(swept_system.base_url) as http:
        yield Sender(http)


def named(answers: Iterable[Answer], *allowed: int) -> list[str]:
    """Return the answers that are not allowed, or not documented."""
    return [
        f"{answer.operation.id} {answer.sent[:200]}: {answer.status} {answer.text[:200]}"
        for answer in answers
        if answer.status not in allowed or [*answer.violations()]
    ]


def assigned(operation: Operation) -> set[str]:
    """Return the fields that the server sets, without those that an operation has."""
    return {name for name in ASSIGNED if name not in operation.body_fields()}


def unknown_fields(answer: Answer) -> set[str]:
    """Return the members of a body that were refused because there are none of these names."""
    errors = json.loads(answer.content)["errors"]
    return {error["loc"][-1] for error in errors if error["type"] == "extra_forbidden"}


def text_of(value: Any, depth: int) -> str:
    """Return a JSON object with a value that is nested too deeply for the encoder."""
    return json.dumps(value).replace('"DEEP"', "[" * depth + "]" * depth)


def test_no_body_accepts_fields_that_the_server_sets(sender: Sender, client: Client) -> None:
    bodies = [(each, {**each.example(), **dict.fromkeys(assigned(each), "x")}) for each in WITH_JSON]
    answers = [sender.send(each, client, EXAMPLES, "served", json=body) for each, body in bodies]
    assert named(answers, 422) == []
    accepted = {answer.operation.id: assigned(answer.operation) - unknown_fields(answer) for answer in answers}
    assert {operation: names for operation, names in accepted.items() if names} == {}


def test_no_nested_object_accepts_unknown_fields(sender: Sender, client: Client) -> None:
    answers = [
        sender.send(operation, client, EXAMPLES, "served", json={**operation.example(), name: {"is_admin": True}})
        for operation in WITH_JSON
        for name, value in operation.example().items()
        if isinstance(value, dict) and name not in ("variables", "metadata", "env")  # free-form
    ]
    assert answers
    assert named(answers, 422) == []


@pytest.mark.parametrize("depth", [*(pytest.param(depth, marks=pytest.mark.long) for depth in (60, 200)), 900, 9_000])
def test_deeply_nested_json_is_no_fault(sender: Sender, client: Client, depth: int) -> None:
    headers = client.headers | {"content-type": "application/json"}
    answers = [
        sender.send(
            operation,
            Client("attacker", headers, "admin"),
            EXAMPLES,
            "served",
            json=None,
            content=text_of({**operation.example(), name: "DEEP"}, depth),
        )
        for operation in WITH_JSON
        for name in operation.body_fields()
    ]
    assert named(answers, 400, 404, 422) == []


def test_compressed_bodies_are_not_unpacked(sender: Sender, client: Client) -> None:
    bomb = gzip.compress(b'{"name": "' + b"x" * 50_000_000 + b'"}')
    headers = client.headers | GZIP
    answers = [
        sender.send(operation, Client("attacker", headers, "admin"), EXAMPLES, "served", json=None, content=bomb)
        for operation in WITH_JSON
    ]
    assert named(answers, 400, 413) == []


def test_ids_are_ids_and_no_part_of_a_subject_or_path(sender: Sender, client: Client, share: int) -> None:
    places = [(each, name) for each in WITH_IDS for name in each.parameters if name != "path"]
    attacks = [*product(places, IDS)][::share]
    answers = [sender.send(each, client, EXAMPLES | {name: _quoted(id)}, "nothing") for (each, name), id in attacks]
    assert named(answers, 404, 422) == []


@pytest.mark.parametrize(
    "query", ["skip=-1", f"skip={10**30}", "skip=10001&after=x", "limit=0", "limit=101", "limit=1e1", "skip=%00"]
)
def test_no_list_reads_beyond_its_bounds(sender: Sender, client: Client, query: str) -> None:
    params = dict(part.split("=") for part in query.split("&"))
    answers = [sender.send(operation, client, EXAMPLES, "served", params=params) for operation in LISTS]
    assert named(answers, 422) == []


def test_no_text_in_a_query_string_is_a_fault(sender: Sender, client: Client, share: int) -> None:
    read = [each for each in operations() if each.method == "GET" and not each.is_public]
    places = [(each, name) for each in read for name in sorted(each.query_parameters() - {"link"})]
    attacks = [*product(places, TEXTS)][::share]
    answers = [sender.send(each, client, EXAMPLES, "served", params={name: text}) for (each, name), text in attacks]
    assert named(answers, 200, 404, 422) == []


def _quoted(value: str) -> str:
    return quote(value.encode(errors="surrogatepass"), safe="")
