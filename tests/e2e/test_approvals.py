"""People decide what an agent may do, over any restart."""

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.user import User, newcomer

TOUCH = bash("touch made")
NOT_ALLOWED = (
    "`Bash` is not in `allowed_tools`, and nobody can approve calls in a non-interactive session. Continue without it."
)


class Asked:
    """A query whose agent waits for an approval."""

    def __init__(self, user: User, session_id: str, *turns: dict[str, Any]) -> None:
        self.user, self.session_id = user, session_id
        self._caller = ThreadPoolExecutor(1)
        self.answer: Future[httpx.Response] = self._caller.submit(user.ask, session_id, scripted(*turns))
        self._caller.shutdown(wait=False)

    def approval(self) -> dict[str, Any]:
        """Wait for an approval, and return it."""
        until(self.pending)
        return self.pending()[0]

    def pending(self) -> list[dict[str, Any]]:
        return self.user.items("/approvals", status="pending", session_id=self.session_id)

    def decide(self, how: str, **body: Any) -> httpx.Response:
        return decide(self.user, self.approval()["id"], how, **body)

    def calls(self) -> list[tuple[str, str]]:
        """How the tool calls ended, and what came of them."""
        calls = self.user.items(f"/sessions/{self.session_id}/tool-calls")
        return [(call["status"], call["tool_output"]["content"] if call["tool_output"] else "") for call in calls]


def decide(user: User, approval_id: str, how: str, **body: Any) -> httpx.Response:
    return user.http.post(f"/approvals/{approval_id}/{how}", json=body or None)


def careful(user: User, mode: str = "interactive") -> str:
    """Open a session in which nothing but reading is allowed."""
    body = {"mode": mode, "sdk_options": {"allowed_tools": ["Read"]}}
    return user.http.post("/sessions", json=body).raise_for_status().json()["id"]


@pytest.fixture
def asked(user: User) -> Asked:
    return Asked(user, careful(user), TOUCH, {"text": "Done."})


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


def test_an_approved_tool_call_is_executed(asked: Asked) -> None:
    approval = asked.approval()
    assert (approval["tool_name"], approval["tool_input"]["command"]) == ("Bash", "touch made")
    assert asked.user.status(asked.session_id) == "waiting"
    run = asked.user.http.get(f"/sessions/{asked.session_id}/runs/{approval['run_id']}").json()
    assert run["status"] == "waiting_approval"
    decided = asked.decide("approve")
    assert (decided.status_code, decided.json()["status"]) == (200, "approved")
    assert asked.answer.result(60).json()["content"]["text"] == "Done."
    assert asked.calls()[0][0] == "success"
    assert asked.user.status(asked.session_id) == "active"


def test_a_denial_reaches_the_agent_with_its_message(asked: Asked) -> None:
    asked.decide("deny", message="Not on a Friday.")
    assert asked.answer.result(60).json()["content"]["text"] == "Done."
    [(status, output)] = asked.calls()
    assert (status, "Not on a Friday." in output) == ("denied", True)


def test_a_remembered_tool_needs_one_approval_per_session(user: User) -> None:
    session_id = careful(user)
    first = Asked(user, session_id, TOUCH, bash("touch again"), {"text": "Done."})
    first.decide("approve", remember="session")
    first.answer.result(60).raise_for_status()
    user.ask(session_id, scripted(bash("touch thrice"), {"text": "Done."})).raise_for_status()
    assert [status for status, _ in first.calls()] == ["success"] * 3
    assert len(user.items("/approvals")) == 1


def test_a_non_interactive_session_requests_no_approvals(user: User) -> None:
    session_id = careful(user, "non_interactive")
    user.ask(session_id, scripted(TOUCH, {"text": "Done."})).raise_for_status()
    [call] = user.items(f"/sessions/{session_id}/tool-calls")
    assert (call["status"], call["tool_output"]["content"]) == ("denied", NOT_ALLOWED)
    assert user.items("/approvals") == []


def test_one_of_two_concurrent_decisions_wins(asked: Asked) -> None:
    approval_id = asked.approval()["id"]
    with ThreadPoolExecutor(2) as people:
        answers = list(people.map(decide, [asked.user] * 2, [approval_id] * 2, ["approve", "deny"]))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [lost] = [answer.json() for answer in answers if answer.status_code == 409]
    won = asked.user.http.get(f"/approvals/{approval_id}").json()
    assert lost["error_code"] == "APPROVAL_OVER"
    assert f"already {won['status']} by user {won['decided_by']}" in lost["detail"]
    asked.answer.result(60).raise_for_status()


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/approve"), ("POST", "/deny")])
def test_another_users_approval_is_not_found(asked: Asked, stranger: User, method: str, path: str) -> None:
    approval_id = asked.approval()["id"]
    answer = stranger.http.request(method, f"/approvals/{approval_id}{path}")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "APPROVAL_NOT_FOUND")
    assert stranger.items("/approvals") == []
    asked.decide("deny")
    asked.answer.result(60).raise_for_status()


def test_deleting_a_session_deletes_its_approvals(asked: Asked) -> None:
    approval_id = asked.approval()["id"]
    asked.user.http.delete(f"/sessions/{asked.session_id}").raise_for_status()
    assert asked.user.http.get(f"/approvals/{approval_id}").status_code == 404
    assert asked.answer.result(60).status_code in {404, 409}


def test_an_expired_approval_is_denied() -> None:
    with System({"APPROVAL_SECONDS": "1"}) as system:
        system.start()
        for user in newcomer(system):
            asked = Asked(user, careful(user), TOUCH, {"text": "Done."})
            assert asked.answer.result(60).json()["content"]["text"] == "Done."
            [approval] = user.items("/approvals", session_id=asked.session_id)
            assert (approval["status"], approval["decided_by"]) == ("expired", None)
            [(status, output)] = asked.calls()
            assert (status, "expired" in output) == ("denied", True)
            assert decide(user, approval["id"], "approve").json()["error_code"] == "APPROVAL_OVER"


RETRIED = (TOUCH, {"text": "counts as the notice with which the agent closes what was cut"}, TOUCH, {"text": "Done."})
"""The agent makes its call again when it is started again."""


@pytest.fixture
def shaken(spare_user: User) -> Asked:
    """As `asked`, on a system to kill."""
    return Asked(spare_user, careful(spare_user), *RETRIED)


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


@pytest.mark.parametrize("early", [True, False], ids=["before the next worker", "after"])
def test_an_approval_survives_its_worker_and_the_run_continues(
    spare_system: System, spare_user: User, shaken: Asked, early: bool
) -> None:
    approval = shaken.approval()
    place = f"/sessions/{shaken.session_id}/runs/{approval['run_id']}"
    spare_system.kill("session")
    until(lambda: answers(spare_user))
    if not early:
        until(lambda: spare_user.http.get(place).json()["attempt"] >= 2)
    assert spare_user.status(shaken.session_id) == "waiting"
    assert shaken.decide("approve").json()["status"] == "approved"
    answer = shaken.answer.result(60).json()
    assert (answer["run_id"], answer["content"]["text"]) == (approval["run_id"], "Done.")
    assert [status for status, _ in shaken.calls()] == ["interrupted", "success"]
    assert spare_user.http.get(place).json()["attempt"] >= 2  # a worker that finds it undecided releases the run
    assert [a["status"] for a in spare_user.items("/approvals")] == ["approved", "approved"]


def test_a_denial_after_a_restart_reaches_the_agent(spare_system: System, spare_user: User) -> None:
    asked = Asked(spare_user, careful(spare_user), TOUCH, {}, {"recall": True})
    asked.approval()
    spare_system.kill("session")
    until(lambda: answers(spare_user))
    asked.decide("deny", message="Not on a Friday.")
    words = asked.answer.result(60).json()["content"]["text"]
    assert "denied: continue without it. Not on a Friday." in words
    assert [status for status, _ in asked.calls()] == ["interrupted"]


def test_a_worker_killed_after_delivery_leaves_an_interrupted_run(spare_system: System, spare_user: User) -> None:
    asked = Asked(spare_user, careful(spare_user), bash("touch made; sleep 300"), {"text": "never"})
    approval = asked.approval()
    asked.decide("approve")
    until(lambda: spare_user.http.get(f"/approvals/{approval['id']}").json()["delivered"])
    spare_system.kill("session")
    assert asked.answer.result(60).json()["error_code"] == "RUN_INTERRUPTED"
    assert [status for status, _ in asked.calls()] == ["interrupted"]
