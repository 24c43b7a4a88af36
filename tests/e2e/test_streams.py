"""Streaming the events of an agent, on the whole system: nothing is lost or repeated, whichever process dies."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse
from onebox.testing.system import System, until
from simulator.testing import scripted

from tests.e2e.streams import ONE_RUN, WHOLE, close_code, following, read_events, talking
from tests.e2e.user import HELD, PATIENCE, User, let_go


def test_a_stream_resumes_at_its_position_after_the_gateway_was_killed(spare_system: System, spare_user: User) -> None:
    session_id = spare_user.create()
    path = f"/sessions/{session_id}/events"
    with ThreadPoolExecutor(1) as caller, following(spare_user, path, after="0") as events:
        asked = caller.submit(asked_and_cut, spare_user, session_id, HELD)
        seen = read_events(events, last="session.tool_call_started")
        spare_system.kill("gateway")
        asked.result(PATIENCE)
        let_go(spare_system, session_id)
    until(lambda: answers(spare_user))
    with following(spare_user, path, after=seen[-1].id) as events:
        seen += read_events(events)
    assert [event.event for event in seen] == WHOLE
    assert len({event.id for event in seen}) == len(seen)


def test_a_query_is_streamed_to_its_answer(shared_user: User) -> None:
    path = f"/sessions/{shared_user.create()}/query"
    body, headers = {"message": scripted({"text": "All is well."})}, {"accept": "text/event-stream"}
    with connect_sse(shared_user.http, "POST", path, json=body, headers=headers) as source:
        received = list(source.iter_sse())
    assert [received[0].event, received[1].event, received[-2].event] == ["connected", ONE_RUN[0], ONE_RUN[-1]]
    assert received[-1].event == "result"
    assert received[-1].json()["content"] == {"type": "text", "text": "All is well."}
    assert "text_delta" in [event.event for event in received]


def test_logout_ends_open_streams(user: User) -> None:
    session_id = user.create()
    with following(user, f"/sessions/{session_id}/events") as events, talking(user, session_id) as client:
        user.http.post("/auth/logout").raise_for_status()
        assert [event.event for event in events][-1] == "error"
        assert close_code(client) == 1008


@pytest.mark.long
def test_shutdown_does_not_wait_for_streams(spare_system: System, spare_user: User) -> None:
    session_id = spare_user.create()
    with following(spare_user, f"/sessions/{session_id}/events") as events, talking(spare_user, session_id) as client:
        assert spare_system.stop() == 0
        assert [event.event for event in events][-1] == "error"
        assert close_code(client) == 1001
    assert "killed" not in spare_system.output


def test_the_commands_of_the_guide_work_as_documented(user: User, system: System) -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/streams.md").read_text()
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", guide, re.DOTALL))

    def shown() -> bool:
        auth = f"authorization: {user.http.headers['authorization']}"
        given = f"api={system.base_url}/api/v1\nid={user.create()}\nauth='{auth}'"
        script = ["bash", "-euc", f"{given}\n{commands}"]
        ran = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE, check=True)
        run, tools, everything = [*ran.stdout.split("event: connected")[1:], "", "", ""][:3]
        assert "event: result\n" in run
        tool_events = ["session.tool_call_started", "session.tool_call_ended"]
        return re.findall("event: (.*)", tools) == tool_events and "event: identity.user_registered\n" in everything

    until(shown)  # the guide reads streams for 3 s, in which a busy machine may not send everything


def test_the_client_of_the_guide_prints_an_answer_and_approves(user: User, system: System) -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/streams.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    key = user.http.headers["authorization"].removeprefix("Bearer ")
    given = {"API_URL": f"{system.base_url}/api/v1", "API_KEY": key}
    ran = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True)
    assert "File created successfully" in ran.stdout
    assert ran.stdout.endswith("\ncompleted\n")


def asked_and_cut(user: User, session_id: str, message: str) -> None:
    """Ask, and lose the connection."""
    with pytest.raises(httpx.TransportError), httpx.Client(headers=user.http.headers, timeout=PATIENCE) as client:
        client.post(f"{user.http.base_url}sessions/{session_id}/query", json={"message": message})


def answers(user: User) -> bool:
    try:
        return user.http.get("/auth/me").status_code == 200
    except httpx.TransportError:
        return False
