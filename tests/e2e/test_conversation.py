"""The main job, as a user does it."""

import json
import socket
from datetime import datetime
from urllib.parse import urlsplit

from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.user import HELD, User, error, let_go


def test_a_session_is_created_with_the_fields_of_the_specification(user: User) -> None:
    body = {"name": "mine", "mode": "interactive", "sdk_options": {"allowed_tools": ["Read"]}}
    answer = user.http.post("/sessions", json=body)
    session = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(f"/api/v1/sessions/{session['id']}")
    assert (session["name"], session["mode"], session["status"]) == ("mine", "interactive", "created")
    assert session["sdk_options"]["allowed_tools"] == ["Read"]
    assert session["id"] in session["working_directory_path"]
    assert datetime.fromisoformat(session["created_at"]).utcoffset() is not None


def test_the_answer_has_the_fields_of_the_specification(user: User) -> None:
    session_id = user.create()
    answer = user.ask(
        session_id, scripted({**bash("echo from the sandbox"), "text": "Let me see."}, {"text": "There."})
    )
    body = answer.json()
    assert answer.status_code == 200
    assert body["session_id"] == session_id
    assert body["content"] == {"type": "text", "text": "There."}
    assert [(c["tool_name"], c["tool_input"]["command"], c["status"]) for c in body["tool_calls"]] == [
        ("Bash", "echo from the sandbox", "success")
    ]
    assert set(body["metrics"]) == {"duration_ms", "input_tokens", "output_tokens", "cost_usd"}
    assert body["metrics"]["output_tokens"] > 0


def test_messages_and_tool_calls_are_kept_in_order(user: User) -> None:
    session_id = user.create()
    user.ask(session_id, scripted(bash("echo one"), {"text": "Second."})).raise_for_status()
    messages = user.items(f"/sessions/{session_id}/messages")
    assert [(m["sequence_number"], m["message_type"], m["content"]["content"]) for m in messages[1:]] == [
        (2, "assistant", ""),
        (3, "assistant", "Second."),
    ]
    assert (messages[0]["sequence_number"], messages[0]["message_type"]) == (1, "user")
    assert messages[1]["content"]["blocks"][0]["name"] == "Bash"
    [call] = user.items(f"/sessions/{session_id}/tool-calls")
    assert (call["tool_output"], call["status"]) == ({"content": "one"}, "success")


def test_a_session_counts_messages_tools_tokens_and_cost(user: User) -> None:
    session_id = user.create()
    user.ask(session_id, scripted(bash("true"), {"text": "Done."})).raise_for_status()
    session = user.http.get(f"/sessions/{session_id}").json()
    assert (session["status"], session["total_messages"], session["total_tool_calls"]) == ("active", 3, 1)
    assert session["total_cost_usd"] > 0
    assert session["api_input_tokens"] > session["api_output_tokens"] > 0
    assert session["started_at"] >= session["created_at"]


def test_an_unscripted_request_is_answered_with_a_real_tool(user: User) -> None:
    session_id = user.create()
    user.ask(session_id, "Write the file notes.txt with the text: remember").raise_for_status()
    assert "remember" in user.ask(session_id, "Read the file notes.txt").json()["content"]["text"]


def test_lists_are_filtered_and_linked(user: User) -> None:
    for _ in range(3):
        user.create()
    page = user.http.get("/sessions", params={"limit": 2, "status": "created"}).json()
    assert (page["total"], page["skip"], page["limit"], len(page["items"])) == (3, 0, 2, 2)
    following = user.http.get(page["links"]["next"].removeprefix("/api/v1")).json()
    assert (len(following["items"]), following["links"]["next"]) == (1, None)
    assert "status=created" in page["links"]["next"]


def test_a_deleted_session_is_gone(user: User) -> None:
    session_id = user.create()
    assert user.http.delete(f"/sessions/{session_id}").status_code == 204
    assert user.http.get(f"/sessions/{session_id}").status_code == 404


def test_a_failing_model_is_a_502_and_the_session_stays_usable(user: User) -> None:
    session_id = user.create()
    answer = user.ask(session_id, scripted({"status": 400}))
    assert (answer.status_code, answer.json()["error_code"]) == (502, "MODEL_ERROR")
    assert answer.headers["content-type"] == "application/problem+json"
    assert user.ask(session_id, scripted({"text": "fine"})).json()["content"]["text"] == "fine"


def test_a_client_that_disconnects_does_not_end_the_run(user: User, system: System) -> None:
    session_id = user.create()
    address, body = urlsplit(system.base_url), json.dumps({"message": HELD})
    with socket.create_connection((str(address.hostname), address.port or 0)) as client:
        client.sendall(
            f"POST /api/v1/sessions/{session_id}/query HTTP/1.1\r\nhost: {address.netloc}\r\n"
            "content-type: application/json\r\n"
            f"authorization: {user.http.headers['authorization']}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        until(lambda: user.items(f"/sessions/{session_id}/tool-calls"))
    assert error(user.ask(session_id, "me too")) == (409, "SESSION_BUSY")
    let_go(system, session_id)
    [run] = user.items(f"/sessions/{session_id}/runs")
    assert user.ended(session_id, run["id"])["text"] == "at last"
