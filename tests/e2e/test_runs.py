"""Runs: not waited for, queued, interrupted, cancelled, paused, cut short by a crash, limited."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.processes import SECONDS, processes, sleeping
from tests.e2e.user import HELD, User, error, let_go


def begin(user: User, session_id: str, message: str, on_busy: str = "reject") -> str:
    """Submit a query, and return the id of its run."""
    return user.submit(session_id, message, on_busy).raise_for_status().json()["id"]


def held(user: User) -> tuple[str, str]:
    """Return a session and its run, which is in the middle of a tool call."""
    session_id = user.create()
    run_id = begin(user, session_id, HELD)
    until(lambda: user.run(session_id, run_id)["tool_calls"])
    return session_id, run_id


def test_an_asynchronous_query_is_found_at_its_location(user: User) -> None:
    session_id = user.create()
    answer = user.submit(session_id, scripted({"text": "There."}))
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    address = answer.headers["location"]
    assert address == f"/api/v1/sessions/{session_id}/runs/{answer.json()['id']}"

    def run() -> dict[str, Any]:
        return user.http.get(address.removeprefix("/api/v1")).raise_for_status().json()

    until(lambda: run()["status"] == "completed")
    assert (run()["text"], run()["attempt"], run()["error_code"]) == ("There.", 1, None)
    assert run()["usage"]["output_tokens"] > 0


def test_queued_queries_are_answered_in_order(user: User) -> None:
    session_id, first = held(user)
    runs = [begin(user, session_id, scripted({"text": f"answer {n}"}), "enqueue") for n in range(3)]
    assert [run["status"] for run in user.items(f"/sessions/{session_id}/runs")] == ["queued"] * 3 + ["running"]
    assert [run["id"] for run in user.items(f"/sessions/{session_id}/runs", status="running")] == [first]
    user.http.post(f"/sessions/{session_id}/interrupt").raise_for_status()
    assert [user.ended(session_id, run_id)["text"] for run_id in runs] == ["answer 0", "answer 1", "answer 2"]
    said = [m["run_id"] for m in user.items(f"/sessions/{session_id}/messages") if m["message_type"] == "user"]
    assert said == [first, *runs]


def test_the_length_of_a_queue_is_limited(user: User) -> None:
    session_id = user.create()
    user.http.post(f"/sessions/{session_id}/pause").raise_for_status()
    answers = [user.submit(session_id, "?", "enqueue") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [202] * 20 + [409]
    assert error(answers[-1]) == (409, "QUEUE_FULL")
    page = user.http.get(f"/sessions/{session_id}/runs", params={"status": "queued", "limit": 5}).json()
    assert (page["total"], len(page["items"])) == (20, 5)


def test_an_interrupting_query_ends_the_current_run(user: User) -> None:
    session_id, first = held(user)
    body = {"message": scripted({"text": "instead"}), "on_busy": "interrupt"}
    answer = user.http.post(f"/sessions/{session_id}/query", json=body)
    assert answer.json()["content"]["text"] == "instead"
    assert (user.run(session_id, first)["status"], user.run(session_id, first)["error_code"]) == (
        "cancelled",
        "RUN_CANCELLED",
    )


def test_a_run_cancelled_during_a_tool_call_leaves_no_process(user: User) -> None:
    session_id = user.create()
    command = {**bash(f"setsid sleep {SECONDS} & sleep {SECONDS}"), "text": "Let me see."}
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(user.ask, session_id, scripted(command, {"text": "never"}))
        until(lambda: len(sleeping()) >= 2)
        until(lambda: user.items(f"/sessions/{session_id}/tool-calls"))  # the agent does not wait for its record
        [run] = user.items(f"/sessions/{session_id}/runs")
        cancelled = user.http.post(f"/sessions/{session_id}/runs/{run['id']}/cancel").json()
        assert error(asked.result(60)) == (409, "RUN_CANCELLED")
    assert (cancelled["status"], cancelled["text"]) == ("cancelled", "Let me see.")
    assert [call["status"] for call in cancelled["tool_calls"]] == ["interrupted"]
    until(lambda: not sleeping())
    until(lambda: user.run(session_id, run["id"])["usage"]["cost_usd"] > 0)
    assert error(user.http.post(f"/sessions/{session_id}/runs/{run['id']}/cancel")) == (409, "RUN_OVER")
    assert error(user.http.post(f"/sessions/{session_id}/interrupt")) == (409, "NOTHING_TO_INTERRUPT")
    assert user.ask(session_id, scripted({"text": "fine"})).json()["content"]["text"] == "fine"


def test_cancelling_a_queued_run_answers_its_waiting_client(user: User) -> None:
    session_id, first = held(user)
    body = {"message": scripted({"text": "never"}), "on_busy": "enqueue"}
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(lambda: user.http.post(f"/sessions/{session_id}/query", json=body))
        until(lambda: user.items(f"/sessions/{session_id}/runs", status="queued"))
        [queued] = user.items(f"/sessions/{session_id}/runs", status="queued")
        user.http.post(f"/sessions/{session_id}/runs/{queued['id']}/cancel").raise_for_status()
        assert error(asked.result(60)) == (409, "RUN_CANCELLED")
    assert user.run(session_id, first)["status"] == "running"


def test_a_paused_session_finishes_its_run_and_continues_on_resume(user: User, system: System) -> None:
    session_id, first = held(user)
    queued = begin(user, session_id, scripted({"text": "later"}), "enqueue")
    assert user.http.post(f"/sessions/{session_id}/pause").json()["status"] == "paused"
    let_go(system, session_id)
    assert user.ended(session_id, first)["text"] == "at last"
    assert (user.status(session_id), user.run(session_id, queued)["status"]) == ("paused", "queued")
    assert error(user.ask(session_id, "now")) == (409, "SESSION_PAUSED")
    user.http.post(f"/sessions/{session_id}/resume").raise_for_status()
    assert user.ended(session_id, queued)["text"] == "later"
    assert user.status(session_id) == "active"


def test_deleting_a_session_deletes_its_queue(user: User) -> None:
    session_id, first = held(user)
    body = {"message": scripted({"text": "never"}), "on_busy": "enqueue"}
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(lambda: user.http.post(f"/sessions/{session_id}/query", json=body))
        until(lambda: user.items(f"/sessions/{session_id}/runs", status="queued"))
        queued = user.items(f"/sessions/{session_id}/runs")[0]["id"]
        assert processes(session_id)
        assert user.http.delete(f"/sessions/{session_id}").status_code == 204
        assert error(asked.result(60)) == (409, "RUN_CANCELLED")
    for run_id in (first, queued):
        assert user.http.get(f"/sessions/{session_id}/runs/{run_id}").status_code == 404
    until(lambda: not processes(session_id))


def test_queued_runs_survive_a_restart_of_the_service(spare_system: System, spare_user: User) -> None:
    session_id, first = held(spare_user)
    queued = [begin(spare_user, session_id, scripted({"text": f"answer {n}"}), "enqueue") for n in range(2)]
    spare_system.kill("session")
    until(answering(spare_user, session_id))
    cut = spare_user.ended(session_id, first)
    assert (cut["status"], cut["error_code"], cut["tool_calls"][0]["status"]) == (
        "failed",
        "RUN_INTERRUPTED",
        "interrupted",
    )
    assert [spare_user.ended(session_id, run_id)["text"] for run_id in queued] == ["answer 0", "answer 1"]


def test_the_number_of_turns_is_limited(user: User) -> None:
    session_id = user.create(max_turns=1)
    assert error(user.ask(session_id, scripted(bash("true"), {"text": "never"}))) == (409, "MAX_TURNS_REACHED")
    assert user.ask(session_id, scripted({"text": "fine"})).json()["content"]["text"] == "fine"


def test_the_budget_of_a_session_is_enforced(user: User) -> None:
    session_id = user.create(max_budget_usd=0.000001)
    assert error(user.ask(session_id, scripted(bash("true"), {"text": "never"}))) == (409, "BUDGET_EXCEEDED")
    assert user.http.get(f"/sessions/{session_id}").json()["total_cost_usd"] > 0.000001
    assert error(user.submit(session_id, "More?")) == (409, "BUDGET_EXCEEDED")
    assert len(user.items(f"/sessions/{session_id}/runs")) == 1


def answering(user: User, session_id: str) -> Callable[[], bool]:
    return lambda: user.http.get(f"/sessions/{session_id}").status_code == 200
