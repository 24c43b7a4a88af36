"""Kill -9, at the worst moments: nothing acknowledged is lost, nothing is stuck, nothing is left running."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from onebox.testing.system import System, has_ended, until
from simulator.testing import bash, scripted

from tests.e2e.processes import seconds_of, sleeping
from tests.e2e.user import NAME, PATIENCE, User, error, said

SECONDS = seconds_of(__name__)


def test_all_that_was_acknowledged_survives_a_kill_of_everything(spare_system: System, spare_user: User) -> None:
    session_id = spare_user.create()
    spare_user.ask(session_id, "My name is Ada.").raise_for_status()
    with ThreadPoolExecutor(8) as clients:
        acknowledged = list(clients.map(spare_user.create, ["Read"] * 50))
        spare_system.kill_all()
    spare_system.restart()
    assert {session["id"] for session in spare_user.items("/sessions")} == {session_id, *acknowledged}
    assert "Ada" in spare_user.ask(session_id, "What is my name?").json()["content"]["text"]
    assert len(spare_user.items(f"/sessions/{session_id}/messages")) == 4


@pytest.fixture
def cut(spare_system: System, spare_user: User) -> tuple[str, httpx.Response, list[int]]:
    """A session whose service was killed while its agent ran a tool: its id, the caller's answer, the agent's pids."""
    session_id = spare_user.create()
    command = f"setsid sleep {SECONDS} & sleep {SECONDS}"  # one of them leaves its session and its group
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(spare_user.ask, session_id, scripted(bash(command), {"text": "never"}))
        until(lambda: len(sleeping(SECONDS)) >= 2)
        until(lambda: spare_user.items(f"/sessions/{session_id}/tool-calls"))  # the agent does not wait for its record
        assert spare_user.status(session_id) == "processing"
        assert [call["status"] for call in spare_user.items(f"/sessions/{session_id}/tool-calls")] == ["running"]
        pids = sleeping(SECONDS)
        spare_system.kill("session")
        return session_id, asked.result(PATIENCE), pids


def test_a_run_killed_during_a_tool_call_is_reported_and_leaves_nothing(
    spare_user: User, cut: tuple[str, httpx.Response, list[int]]
) -> None:
    session_id, answer, pids = cut
    assert (answer.status_code, answer.json()["error_code"]) == (500, "RUN_INTERRUPTED")
    assert "retry-after" not in answer.headers  # what an agent did is not done twice
    until(lambda: all(map(has_ended, pids)))
    assert spare_user.status(session_id) == "active"
    assert [call["status"] for call in spare_user.items(f"/sessions/{session_id}/tool-calls")] == ["unknown"]
    assert spare_user.ask(session_id, scripted({"text": "fine"})).json()["content"]["text"] == "fine"


def test_a_conversation_survives_an_archive_and_a_kill_of_the_service(spare_user: User, spare_system: System) -> None:
    session_id = spare_user.create()
    said(spare_user, session_id, "My name is Ada")
    spare_user.bash(session_id, "echo hello > a.txt")
    spare_user.http.post(f"/sessions/{session_id}/archive", json={"compression": "zstd"}).raise_for_status()
    assert error(spare_user.ask(session_id, "?")) == (409, "SESSION_ARCHIVED")
    opened = spare_user.http.post(f"/sessions/{session_id}/resume").raise_for_status().json()
    assert (opened["status"], opened["ready"]) == ("active", True)
    spare_system.kill("session")
    until(spare_system.ready)
    assert said(spare_user, session_id, NAME) == "Your name is Ada."
    assert spare_user.bash(session_id, "cat a.txt") == "hello"
