"""People decide what an agent may do, over any restart."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from onebox.testing.system import System, until
from simulator.testing import bash

from tests.e2e.approvals import TOUCH, Asked, careful, decide
from tests.e2e.user import PATIENCE, User, newcomer


def test_a_remembered_tool_needs_one_approval_per_session(shared_user: User) -> None:
    first = Asked(shared_user, careful(shared_user), TOUCH, bash("touch again"), {"text": "Done."})
    first.decide("approve", remember="session")
    first.answer.result(PATIENCE).raise_for_status()
    assert shared_user.bash(first.session_id, "echo thrice") == "thrice"
    assert [status for status, _ in first.calls()] == ["success"] * 3
    assert len(shared_user.items("/approvals", session_id=first.session_id)) == 1


def test_one_of_two_concurrent_decisions_wins(shared_user: User) -> None:
    asked = Asked(shared_user, careful(shared_user), TOUCH, {"text": "Done."})
    approval_id = asked.approval()["id"]
    with ThreadPoolExecutor(2) as people:
        answers = list(people.map(decide, [shared_user] * 2, [approval_id] * 2, ["approve", "deny"]))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [lost] = [answer.json() for answer in answers if answer.status_code == 409]
    won = shared_user.http.get(f"/approvals/{approval_id}").json()
    assert lost["error_code"] == "APPROVAL_OVER"
    assert f"already {won['status']} by user {won['decided_by']}" in lost["detail"]
    asked.answer.result(PATIENCE).raise_for_status()


@pytest.mark.long
def test_an_expired_approval_is_denied() -> None:
    with System({"APPROVAL_SECONDS": "1"}) as system:
        system.start()
        for user in newcomer(system):
            asked = Asked(user, careful(user), TOUCH, {"text": "Done."})
            assert asked.answer.result(PATIENCE).json()["content"]["text"] == "Done."
            [approval] = user.items("/approvals", session_id=asked.session_id)
            assert (approval["status"], approval["decided_by"]) == ("expired", None)
            [(status, output)] = asked.calls()
            assert (status, "expired" in output) == ("denied", True)
            assert decide(user, approval["id"], "approve").json()["error_code"] == "APPROVAL_OVER"


RETRIED = (TOUCH, TOUCH, {"text": "Done."})
"""The agent makes its call again when it is started again."""


@pytest.fixture
def shaken(spare_user: User) -> Asked:
    """A query whose agent waits for an approval, on a system to kill."""
    return Asked(spare_user, careful(spare_user), *RETRIED)


@pytest.mark.long
@pytest.mark.parametrize("service", ["gateway", "identity"])
def test_an_approval_survives_restarts_of_the_services(spare_system: System, spare_user: User, service: str) -> None:
    asked = Asked(spare_user, careful(spare_user), TOUCH, {"text": "Done."})
    approval = asked.approval()
    spare_system.kill(service)
    until(lambda: answers(spare_user))
    assert asked.decide("approve").json()["status"] == "approved"
    place = f"/sessions/{asked.session_id}/runs/{approval['run_id']}"
    until(lambda: spare_user.http.get(place).json()["status"] == "completed")
    assert asked.calls()[0][0] == "success"


def answers(user: User) -> bool:
    """Whether the API is there."""
    try:
        return user.http.get("/approvals").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("early", [pytest.param(True, marks=pytest.mark.long), False], ids=["early", "late"])
def test_an_approval_survives_its_worker_and_the_run_continues(
    spare_system: System, spare_user: User, shaken: Asked, early: bool
) -> None:
    approval = shaken.approval()
    place = f"/sessions/{shaken.session_id}/runs/{approval['run_id']}"
    spare_system.kill("session")
    until(lambda: answers(spare_user))
    if not early:  # not before the next worker has the run
        until(lambda: spare_user.http.get(place).json()["attempt"] >= 2)
    assert spare_user.status(shaken.session_id) == "waiting"
    assert shaken.decide("approve").json()["status"] == "approved"
    answer = shaken.answer.result(PATIENCE).json()
    assert (answer["run_id"], answer["content"]["text"]) == (approval["run_id"], "Done.")
    assert [status for status, _ in shaken.calls()] == ["interrupted", "success"]
    assert spare_user.http.get(place).json()["attempt"] >= 2  # a worker that finds it undecided releases the run
    assert [a["status"] for a in spare_user.items("/approvals")] == ["approved", "approved"]


@pytest.mark.long
def test_a_denial_after_a_restart_reaches_the_agent(spare_system: System, spare_user: User) -> None:
    asked = Asked(spare_user, careful(spare_user), TOUCH, {}, {"recall": True})
    place = f"/sessions/{asked.session_id}/runs/{asked.approval()['run_id']}"
    spare_system.kill("session")
    # A denial that precedes the next worker ends the call as denied, a later one leaves it interrupted.
    until(lambda: answers(spare_user) and spare_user.http.get(place).json()["attempt"] >= 2)
    asked.decide("deny", message="Not on a Friday.")
    words = asked.answer.result(PATIENCE).json()["content"]["text"]
    assert "denied: continue without it. Not on a Friday." in words
    assert [status for status, _ in asked.calls()] == ["interrupted"]


@pytest.mark.long
def test_a_worker_killed_after_delivery_leaves_an_interrupted_run(spare_system: System, spare_user: User) -> None:
    asked = Asked(spare_user, careful(spare_user), bash("touch made; sleep 300"), {"text": "never"})
    approval = asked.approval()
    asked.decide("approve")
    until(lambda: spare_user.http.get(f"/approvals/{approval['id']}").json()["delivered"])
    spare_system.kill("session")
    assert asked.answer.result(PATIENCE).json()["error_code"] == "RUN_INTERRUPTED"
    assert [status for status, _ in asked.calls()] == ["unknown"]
