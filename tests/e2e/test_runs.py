"""Runs: queued, interrupted, cancelled, paused, left by their client, cut short by a crash."""

import json
import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from onebox.testing.system import System, until
from simulator.testing import scripted

from tests.e2e.processes import processes
from tests.e2e.user import HELD, PATIENCE, User, error, let_go, said

MOVED = (
    'runs_total{code="",outcome="completed"}',
    'run_duration_seconds_count{outcome="completed"}',
    "run_wait_seconds_count",
    "agent_start_duration_seconds_count",
    'model_tokens_total{direction="output"}',
    'message_duration_seconds_count{subject="cmd.session.submit_query"}',
)
"""Samples of the session service that grow with each run."""
PENDING = ('reaction_pending{reaction="run_agent"}', 'projector_pending{projector="accounts"}')
MEASURED = (
    *('runs_queued{waits_for="worker"}', 'agents{state="warm"}', "approvals_pending", 'ready{check="bus"}'),
    *PENDING,
)
"""Samples of what is measured every 10 s, and absent if measuring takes longer than 1 s."""


def begin(user: User, session_id: str, message: str, on_busy: str = "reject") -> str:
    """Submit a query, and return the id of its run."""
    return user.submit(session_id, message, on_busy).raise_for_status().json()["id"]


def held(user: User) -> tuple[str, str]:
    """Return a session and its run, which is in the middle of a tool call."""
    session_id = user.create()
    run_id = begin(user, session_id, HELD)
    until(lambda: user.run(session_id, run_id)["tool_calls"])
    return session_id, run_id


def session_metrics(system: System) -> Counter[str]:
    """Return the metrics of the session service by name and labels, summed over models."""
    targets = json.loads((system.data_dir / "run" / "ops.json").read_text())
    [address] = [target["targets"][0] for target in targets if target["labels"]["service"] == "session"]
    metrics = Counter[str]()
    for line in httpx.get(f"http://{address}/metrics", timeout=60).text.splitlines():
        if not line.startswith("#"):
            name, _, value = re.sub(r',?model="[^"]*"', "", line).rpartition(" ")
            metrics[name] += float(value)  # pyright: ignore[reportArgumentType]  a counter of fractions
    return metrics


def has_caught_up(metrics: Counter[str]) -> bool:
    """Return whether all has been measured, and the service had handled all events then."""
    return all(name in metrics for name in MEASURED) and not any(metrics[name] for name in PENDING)


def test_queued_queries_are_answered_in_order(shared_user: User, system: System) -> None:
    before = session_metrics(system)
    session_id, first = held(shared_user)
    place = f"/sessions/{session_id}"
    runs = [begin(shared_user, session_id, scripted({"text": f"answer {n}"}), "enqueue") for n in range(3)]
    assert [run["status"] for run in shared_user.items(f"{place}/runs")] == ["queued"] * 3 + ["running"]
    assert [run["id"] for run in shared_user.items(f"{place}/runs", status="running")] == [first]
    shared_user.http.post(f"{place}/interrupt").raise_for_status()
    answers = [shared_user.ended(session_id, run_id)["text"] for run_id in runs]
    assert answers == ["answer 0", "answer 1", "answer 2"]
    said = [m["run_id"] for m in shared_user.items(f"{place}/messages") if m["message_type"] == "user"]
    assert said == [first, *runs]
    after = session_metrics(system)
    assert [name for name in MOVED if after[name] <= before[name]] == []
    until(lambda: has_caught_up(session_metrics(system)))


def test_a_paused_session_finishes_its_run_and_continues_on_resume(shared_user: User, system: System) -> None:
    session_id, first = held(shared_user)
    queued = begin(shared_user, session_id, scripted({"text": "later"}), "enqueue")
    assert shared_user.http.post(f"/sessions/{session_id}/pause").json()["status"] == "paused"
    let_go(system, session_id)
    assert shared_user.ended(session_id, first)["text"] == "at last"
    assert (shared_user.status(session_id), shared_user.run(session_id, queued)["status"]) == ("paused", "queued")
    assert error(shared_user.ask(session_id, "now")) == (409, "SESSION_PAUSED")
    shared_user.http.post(f"/sessions/{session_id}/resume").raise_for_status()
    assert shared_user.ended(session_id, queued)["text"] == "later"
    assert shared_user.status(session_id) == "active"


def test_deleting_a_session_answers_its_clients_and_leaves_nothing(shared_user: User, system: System) -> None:
    session_id, first = held(shared_user)
    body = {"message": scripted({"text": "never"}), "on_busy": "enqueue"}
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(shared_user.http.post, f"/sessions/{session_id}/query", json=body)
        until(lambda: shared_user.items(f"/sessions/{session_id}/runs", status="queued"))
        queued = shared_user.items(f"/sessions/{session_id}/runs")[0]["id"]
        assert processes(session_id)
        assert shared_user.http.delete(f"/sessions/{session_id}").status_code == 204
        assert error(asked.result(PATIENCE)) == (409, "RUN_CANCELLED")
    for run_id in (first, queued):
        assert shared_user.http.get(f"/sessions/{session_id}/runs/{run_id}").status_code == 404
    until(lambda: not processes(session_id))
    until(lambda: not [*system.data_dir.rglob(f"*{session_id}*")])


def test_a_client_that_disconnects_does_not_end_the_run(shared_user: User, system: System) -> None:
    session_id = shared_user.create()
    address, body = urlsplit(system.base_url), json.dumps({"message": HELD})
    with socket.create_connection((str(address.hostname), address.port or 0)) as client:
        client.sendall(
            f"POST /api/v1/sessions/{session_id}/query HTTP/1.1\r\nhost: {address.netloc}\r\n"
            "content-type: application/json\r\n"
            f"authorization: {shared_user.http.headers['authorization']}\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}".encode()
        )
        until(lambda: shared_user.items(f"/sessions/{session_id}/tool-calls"))
    assert error(shared_user.ask(session_id, "me too")) == (409, "SESSION_BUSY")
    let_go(system, session_id)
    [run] = shared_user.items(f"/sessions/{session_id}/runs")
    assert shared_user.ended(session_id, run["id"])["text"] == "at last"


@pytest.mark.long
def test_queued_runs_survive_a_restart_of_the_service(spare_system: System, spare_user: User) -> None:
    session_id, first = held(spare_user)
    queued = [begin(spare_user, session_id, scripted({"text": f"answer {n}"}), "enqueue") for n in range(2)]
    spare_system.kill("session")
    until(lambda: spare_user.http.get(f"/sessions/{session_id}").status_code == 200)
    cut = spare_user.ended(session_id, first)
    assert (cut["status"], cut["error_code"], cut["tool_calls"][0]["status"]) == (
        "failed",
        "RUN_INTERRUPTED",
        "unknown",
    )
    assert [spare_user.ended(session_id, run_id)["text"] for run_id in queued] == ["answer 0", "answer 1"]


def test_an_unscripted_request_is_answered_with_real_tools(shared_user: User) -> None:
    session_id = shared_user.create()
    said(shared_user, session_id, "Write the file notes.txt with the text: remember")
    assert "remember" in said(shared_user, session_id, "Read the file notes.txt")


def test_structured_output_is_valid_or_the_run_fails(shared_user: User) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    session_id = shared_user.create(output_format={"type": "json_schema", "schema": schema})
    answer = {"tools": [{"name": "StructuredOutput", "input": {"n": 42}}]}
    body = shared_user.ask(session_id, scripted(answer, {"text": "Done."})).raise_for_status().json()
    assert body["structured_output"] == {"n": 42}
    assert shared_user.run(session_id, body["run_id"])["structured_output"] == {"n": 42}
    assert error(shared_user.ask(session_id, scripted({"text": "No."}))) == (502, "OUTPUT_NOT_VALID")
