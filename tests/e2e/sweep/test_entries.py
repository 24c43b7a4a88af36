"""After a sweep, every change that the owner or an administrator made has an entry in the audit log."""

import pytest
from onebox.testing.system import System, until

from tests.e2e.stored import rows
from tests.e2e.sweep.journey import Sweep
from tests.e2e.sweep.operations import operations

pytestmark = pytest.mark.timeout(600)

REQUESTS = "SELECT DISTINCT correlation_id FROM identity.audit_log"
CHANGES_NOTHING = {
    "renderPrompt": "the prompt is only shown",
    "enableMcpServer": "the server of the sweep is enabled already",
    "revokeMcpServerAuthorization": "the server of the sweep was never authorized",
}
"""Operations other than GET without an entry."""


def changes(sweep: Sweep) -> dict[str, str]:
    """Return the changes that succeeded: the id of each request, with its operation."""
    return {
        answer.headers["x-request-id"]: answer.operation.id
        for answer in (*sweep.of_owner, *sweep.of_admin)
        if answer.operation.method != "GET" and answer.status < 300 and answer.operation.id not in CHANGES_NOTHING
    }


def test_every_change_has_an_entry(swept_system: System, sweep: Sweep) -> None:
    made = changes(sweep)

    def without_entry() -> set[str]:
        recorded = {row["correlation_id"] for row in rows(swept_system, REQUESTS)}
        return {operation for request_id, operation in made.items() if request_id not in recorded}

    try:
        until(lambda: not without_entry())
    except AssertionError:
        assert without_entry() == set()
    assert len(set(made.values())) > 25


def test_every_exception_is_an_operation() -> None:
    assert CHANGES_NOTHING.keys() <= {operation.id for operation in operations()}
