"""The main journeys with the real Claude Code, whose agents these tests share."""

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from httpx_sse import ServerSentEvent
from mcp_connection.testing import started
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.approvals import TOUCH, Asked, careful
from tests.e2e.mcp import PROGRAM, call, register, register_url
from tests.e2e.processes import seconds_of, sleeping
from tests.e2e.streams import WHOLE, following, message, talking
from tests.e2e.user import PATIENCE, User, admin_of, error, newcomer, said

SECONDS = seconds_of(__name__)
pytestmark = pytest.mark.claude_code
PROMPT = scripted({**bash("cat data/in.txt | tee out.txt"), "text": "Let me see."}, {"text": "All is *well*."})


@pytest.fixture(scope="module")
def user(claude_code_system: System) -> Generator[User]:
    yield from newcomer(claude_code_system)


@pytest.fixture(scope="module")
def admin(claude_code_system: System) -> Generator[User]:
    yield from admin_of(claude_code_system)


@dataclass(frozen=True)
class Conversation:
    """A session whose agent has answered, and what a stream showed meanwhile."""

    session_id: str
    answer: dict[str, Any]
    events: list[ServerSentEvent]

    @property
    def path(self) -> str:
        return f"/sessions/{self.session_id}"


@pytest.fixture(scope="module")
def conversation(user: User) -> Conversation:
    """Let an agent call a tool and answer."""
    session_id = user.create()
    user.http.put(f"/sessions/{session_id}/workspace/data/in.txt", content=b"from the user").raise_for_status()
    with following(user, f"/sessions/{session_id}/events", after="0") as events:
        answer = user.ask(session_id, PROMPT).raise_for_status().json()
        received = [next(events)]
        while received[-1].event != "session.run_completed":
            received.append(next(events))
    return Conversation(session_id, answer, received)


@pytest.fixture(scope="module")
def session_id(user: User) -> str:
    """A session in which several tests query the agent."""
    return user.create()


def test_the_answer_has_the_fields_of_the_specification(conversation: Conversation) -> None:
    body = conversation.answer
    assert body["session_id"] == conversation.session_id
    assert body["content"] == {"type": "text", "text": "All is *well*."}
    assert [(c["tool_name"], c["tool_input"]["command"], c["status"]) for c in body["tool_calls"]] == [
        ("Bash", "cat data/in.txt | tee out.txt", "success")
    ]
    assert set(body["metrics"]) == {"duration_ms", "input_tokens", "output_tokens", "cost_usd"}
    assert body["metrics"]["output_tokens"] > 0


def test_messages_and_tool_calls_are_kept_in_order(user: User, conversation: Conversation) -> None:
    messages = user.items(f"{conversation.path}/messages")
    assert [(m["sequence_number"], m["message_type"], m["content"]["content"]) for m in messages[1:]] == [
        (2, "assistant", "Let me see."),
        (3, "assistant", "All is *well*."),
    ]
    assert (messages[0]["sequence_number"], messages[0]["message_type"]) == (1, "user")
    assert messages[1]["content"]["blocks"][1]["name"] == "Bash"
    [called] = user.items(f"{conversation.path}/tool-calls")
    assert (called["tool_output"], called["status"]) == ({"content": "from the user"}, "success")


def test_a_session_counts_messages_tools_tokens_and_cost(user: User, conversation: Conversation) -> None:
    session = user.http.get(conversation.path).json()
    assert (session["status"], session["total_messages"], session["total_tool_calls"]) == ("active", 3, 1)
    assert session["total_cost_usd"] == pytest.approx(conversation.answer["metrics"]["cost_usd"])
    assert session["api_input_tokens"] > session["api_output_tokens"] > 0
    assert session["started_at"] >= session["created_at"]


def test_a_stream_shows_the_events_and_the_text_of_a_run(conversation: Conversation) -> None:
    assert [event.event for event in conversation.events if event.event != "text_delta"] == WHOLE
    text = "".join(event.json()["text"] for event in conversation.events if event.event == "text_delta")
    assert text == "Let me see.All is *well*."


def test_all_kinds_of_streams_send_the_same_events(user: User, conversation: Conversation) -> None:
    recorded = [event.json() for event in conversation.events if event.event != "text_delta"]
    with (
        following(user, "/events", after="0", types="session.*") as all_events,
        talking(user, conversation.session_id, "?after=0") as client,
    ):
        sent = (event.json() for event in all_events)
        own = (event for event in sent if event["session_id"] == conversation.session_id)
        assert [next(own) for _ in recorded] == recorded
        assert all(event.items() <= message(client)["data"].items() for event in recorded)


def test_the_user_reads_what_the_agent_wrote(user: User, conversation: Conversation) -> None:
    files = user.items(f"{conversation.path}/workspace")
    assert [(f["path"], f["type"]) for f in files] == [
        *(("data", "directory"), ("data/in.txt", "file"), ("out.txt", "file")),
    ]
    answer = user.http.get(f"{conversation.path}/workspace/out.txt", headers={"range": "bytes=5-"})
    assert answer.content == b"the user"


def test_a_report_tells_what_was_asked_done_and_answered(user: User, conversation: Conversation) -> None:
    body = {"session_id": conversation.session_id, "format": "markdown"}
    report = user.http.post("/reports", json=body).raise_for_status().json()
    text = user.http.get(f"/reports/{report['id']}/download").raise_for_status().text
    for part in ("tee out.txt", "from the user", "All is *well*."):
        assert part in text


def test_a_failing_model_is_a_502_and_the_session_stays_usable(user: User, session_id: str) -> None:
    answer = user.ask(session_id, scripted({"status": 400}))
    assert error(answer) == (502, "MODEL_ERROR")
    assert answer.headers["content-type"] == "application/problem+json"
    assert said(user, session_id, scripted({"text": "fine"})) == "fine"


def test_an_approved_tool_call_is_executed_and_a_denied_one_is_not(user: User) -> None:
    asked = Asked(user, careful(user), TOUCH, bash("touch denied"), {"text": "Done."})
    approval = asked.approval()
    assert (approval["tool_name"], approval["tool_input"]["command"]) == ("Bash", "touch made")
    assert user.status(asked.session_id) == "waiting"
    assert user.run(asked.session_id, approval["run_id"])["status"] == "waiting_approval"
    assert asked.decide("approve").json()["status"] == "approved"
    asked.decide("deny", message="Not on a Friday.").raise_for_status()
    assert asked.answer.result(PATIENCE).json()["content"]["text"] == "Done."
    [(first, _), (second, output)] = asked.calls()
    assert (first, second, "Not on a Friday." in output) == ("success", "denied", True)
    assert [file["path"] for file in user.items(f"/sessions/{asked.session_id}/workspace")] == ["made"]


def test_a_run_cancelled_during_a_tool_call_leaves_no_process(user: User) -> None:
    session_id = user.create()
    command = {**bash(f"setsid sleep {SECONDS} & sleep {SECONDS}"), "text": "Let me see."}
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(user.ask, session_id, scripted(command, {"text": "never"}))
        until(lambda: len(sleeping(SECONDS)) >= 2)
        until(lambda: user.items(f"/sessions/{session_id}/tool-calls"))  # the agent does not wait for its record
        [run] = user.items(f"/sessions/{session_id}/runs")
        cancelled = user.http.post(f"/sessions/{session_id}/runs/{run['id']}/cancel").json()
        assert error(asked.result(PATIENCE)) == (409, "RUN_CANCELLED")
    assert (cancelled["status"], cancelled["text"]) == ("cancelled", "Let me see.")
    assert [each["status"] for each in cancelled["tool_calls"]] == ["interrupted"]
    until(lambda: not sleeping(SECONDS))
    until(lambda: user.run(session_id, run["id"])["usage"]["cost_usd"] > 0)
    assert said(user, session_id, scripted({"text": "fine"})) == "fine"


async def test_an_agent_calls_mcp_servers_of_every_type(user: User, admin: User) -> None:
    register(admin, "program", PROGRAM | {"is_global": True})
    async with started() as http, started("--transport", "sse") as sse:
        register_url(user, "http", http.url)
        register_url(user, "sse", sse.url, "SSE")
        session_id = user.create(
            *("mcp__program", "mcp__http__echo", "mcp__sse"), mcp_servers=["program", "http", "sse"]
        )
        turn = call(
            user,
            session_id,
            ("mcp__program__run", {"code": "result = 6 * 7"}),
            ("mcp__http__echo", {"text": "over HTTP"}),
            ("mcp__sse__echo", {"text": "over SSE"}),
        )
    assert (turn.statuses, turn.outputs) == (["connected"] * 3, ["42", "over HTTP", "over SSE"])


def test_a_query_over_a_websocket_is_answered_there(user: User, session_id: str) -> None:
    with talking(user, session_id) as client:
        client.send(json.dumps({"type": "query", "data": {"message": scripted({"text": "Fine."})}}))
        types = [message(client)["type"]]
        while types[-1] != "result":
            types.append(message(client)["type"])
    assert {"status_change", "text_delta", "message", "result"} <= set(types)
