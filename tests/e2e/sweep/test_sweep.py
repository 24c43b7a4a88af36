"""Who may do what: every operation of the document, by every kind of client."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import httpx
import pytest
from onebox.testing.system import System

from tests.e2e.sweep.answers import Answer
from tests.e2e.sweep.clients import FEW_SCOPES, ROLES, SCOPES, WITHOUT_EFFECT, Client
from tests.e2e.sweep.journey import Sweep
from tests.e2e.sweep.operations import DOCUMENT, Operation, operations
from tests.e2e.sweep.rules import ENDS_LOGIN, NOT_SERVED, READ_BY_KEYS, expected
from tests.e2e.user import PATIENCE

KINDS = len((*SCOPES, FEW_SCOPES)) + 1
"""Of clients with each role: keys, and a login."""
pytestmark = pytest.mark.timeout(600)  # the first test waits for the whole sweep


def violations(answers: Sequence[Answer]) -> list[str]:
    return [violation for answer in answers for violation in answer.violations()]


def test_the_sweep_covers_the_document_that_is_served(swept_system: System) -> None:
    assert httpx.get(f"{swept_system.base_url}/api/v1/openapi.json", timeout=PATIENCE).json() == DOCUMENT


def test_others_are_answered_as_the_rules_say(sweep: Sweep) -> None:
    assert violations(sweep.of_others) == []
    assert len({answer.client for answer in sweep.of_others}) == len(ROLES) * KINDS + 1 + WITHOUT_EFFECT


def test_every_operation_is_requested_by_every_kind_of_client(sweep: Sweep) -> None:
    by_operation = Counter(answer.operation.id for answer in sweep.of_others)
    logins, keys, invalid = len(ROLES), KINDS - 1, 1
    assert min(by_operation[each.id] for each in operations()) >= logins + keys + invalid + 1


def test_the_owner_reaches_every_operation(sweep: Sweep) -> None:
    assert violations(sweep.of_owner) == []


def test_an_administrator_reads_everything(sweep: Sweep) -> None:
    assert violations(sweep.of_admin) == []


def test_the_owner_sees_no_change_after_requests_of_others(sweep: Sweep) -> None:
    changed = {url: (seen, sweep.after[url]) for url, seen in sweep.before.items() if seen != sweep.after[url]}
    assert changed == {}


def test_no_answer_to_others_names_a_resource_of_the_owner(sweep: Sweep) -> None:
    owned = [value for name, value in sweep.ids.items() if name not in ("path", "user_id")]
    named = [
        f"{answer.client}: {answer.operation.id}: {value}"
        for answer in sweep.of_others
        for value in owned
        if not answer.client.startswith("admin") and value in answer.text and value not in answer.sent
    ]
    assert named == []


def test_every_path_parameter_and_body_can_be_filled(sweep: Sweep) -> None:
    assert {name for operation in operations() for name in operation.parameters} <= sweep.ids.keys()
    for operation in operations():
        operation.body(sweep.ids)


def test_every_exception_belongs_to_an_operation() -> None:
    assert ENDS_LOGIN | NOT_SERVED.keys() | READ_BY_KEYS <= {operation.id for operation in operations()}


GET_SESSION = next(operation for operation in operations() if operation.id == "getSession")
NEW_ROUTE = Operation("DELETE", "/api/v1/admin/users/{user_id}", GET_SESSION.declared)


@pytest.mark.parametrize("status", [200, 401, 403, 422, 500])
def test_another_status_than_expected_is_found(status: int) -> None:
    answer = Answer(GET_SESSION, "user", "", status, {"content-type": "application/json"}, b"{}", "not found")
    assert [*answer.violations()] != []


def test_an_error_that_is_no_documented_problem_is_found() -> None:
    body = b'{"status": 404, "error_code": "TASK_NOT_FOUND", "request_id": "one"}'
    headers = {"content-type": "application/problem+json", "x-request-id": "two"}
    answer = Answer(GET_SESSION, "user", "", 404, headers, body, "not found")
    assert len([*answer.violations()]) == 2
    assert len([*replace(answer, headers={"content-type": "text/html"}).violations()]) == 1


@pytest.mark.parametrize(
    ("client", "outcome"),
    [
        (Client("none", {}), "unauthenticated"),
        (Client("user", {}, "user"), "forbidden"),
        (Client("key", {}, "admin", ("write",), is_key=True), "forbidden"),
        (Client("admin", {}, "admin"), "not found"),
    ],
)
def test_the_rules_apply_to_a_route_that_does_not_exist_yet(client: Client, outcome: str) -> None:
    assert expected(NEW_ROUTE, client) == outcome
