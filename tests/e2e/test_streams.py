"""Streaming the events of an agent, on the whole system: nothing is lost or repeated, whichever process dies."""

import json
import re
import socket
import subprocess
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse
from onebox.testing.planted import check_none, revealed
from onebox.testing.system import System, until
from simulator.testing import bash, scripted
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from tests.e2e.user import User, newcomer

ONE_RUN = [
    "session.run_requested",
    "session.run_started",
    "session.message_recorded",
    "session.tool_call_started",
    "session.tool_call_ended",
    "session.message_recorded",
    "session.run_completed",
]
WHOLE = ["session.created", *ONE_RUN]


@contextmanager
def following(user: User, path: str, after: str | None = None, **query: str) -> Generator[Iterator[ServerSentEvent]]:
    """Open a stream, and read its `connected`."""
    headers = {"last-event-id": after} if after else {}
    with connect_sse(user.http, "GET", path, params=query, headers=headers) as source:
        source.response.raise_for_status()
        events = source.iter_sse()
        assert next(events).event == "connected"
        yield events


@contextmanager
def talking(user: User, session_id: str, query: str = "") -> Generator[ClientConnection]:
    """Open a socket, and read its `connected`."""
    address = f"{user.http.base_url}sessions/{session_id}/stream{query}".replace("http", "ws", 1)
    with connect(address, additional_headers={"authorization": user.http.headers["authorization"]}) as client:
        assert json.loads(client.recv(60))["type"] == "connected"
        yield client


def read_events(events: Iterator[ServerSentEvent], last: str = "session.run_completed") -> list[ServerSentEvent]:
    """Read events until the last of a run."""
    read: list[ServerSentEvent] = []
    while not read or read[-1].event != last:
        event = next(events)
        check_none("an event of a stream", revealed(event.data))
        if event.event != "text_delta":
            read.append(event)
    return read


def message(connection: ClientConnection) -> dict[str, Any]:
    received = connection.recv(60)
    check_none("a message of a socket", revealed(received))
    return json.loads(received)


def close_code(connection: ClientConnection) -> int | None:
    """Read until the socket is closed, and return the code."""
    with suppress(ConnectionClosedError):
        for _ in connection:
            pass
    return connection.close_code


def test_a_stream_shows_the_events_and_the_text_of_a_run(user: User) -> None:
    session_id = user.create()
    with following(user, f"/sessions/{session_id}/events", after="0") as events:
        user.ask(session_id, scripted(bash("echo one"), {"text": "All is well."})).raise_for_status()
        received = [next(events)]
        while received[-1].event != "session.run_completed":
            received.append(next(events))
    assert [event.event for event in received if event.event != "text_delta"] == WHOLE
    assert "".join(event.json()["text"] for event in received if event.event == "text_delta") == "All is well."


def test_all_kinds_of_streams_send_the_same_events(user: User) -> None:
    session_id = user.create()
    user.ask(session_id, scripted(bash("echo one"), {"text": "Done."})).raise_for_status()
    with (
        following(user, f"/sessions/{session_id}/events", after="0") as events,
        following(user, "/events", after="0", types="session.*") as all_events,
        talking(user, session_id, "?after=0") as client,
    ):
        received = [event.json() for event in read_events(events)]
        assert [event.json() for event in read_events(all_events)] == received
        assert all(event.items() <= message(client)["data"].items() for event in received)
    assert [event["type"] for event in received] == WHOLE


def test_a_stream_resumes_at_its_position_after_the_gateway_was_killed(spare_system: System, spare_user: User) -> None:
    session_id = spare_user.create()
    path = f"/sessions/{session_id}/events"
    script = scripted(bash("until [ -e /workspace/go ]; do sleep 0.1; done"), {"text": "Done."})
    with ThreadPoolExecutor(1) as caller, following(spare_user, path, after="0") as events:
        asked = caller.submit(asked_and_cut, spare_user, session_id, script)
        seen = read_events(events, last="session.tool_call_started")
        spare_system.kill("gateway")
        asked.result(60)
        (spare_system.data_dir / "workspaces" / session_id / "go").touch()
    until(lambda: answers(spare_user))
    with following(spare_user, path, after=seen[-1].id) as events:
        seen += read_events(events)
    assert [event.event for event in seen] == WHOLE
    assert len({event.id for event in seen}) == len(seen)


def test_a_query_is_streamed_to_its_answer(user: User) -> None:
    session_id = user.create()
    body = {"message": scripted({"text": "All is well."})}
    headers = {"accept": "text/event-stream"}
    with connect_sse(user.http, "POST", f"/sessions/{session_id}/query", json=body, headers=headers) as source:
        received = list(source.iter_sse())
    assert [received[0].event, received[1].event, received[-2].event] == ["connected", ONE_RUN[0], ONE_RUN[-1]]
    assert received[-1].event == "result"
    assert received[-1].json()["content"] == {"type": "text", "text": "All is well."}
    assert "text_delta" in [event.event for event in received]


def test_a_query_over_a_websocket_is_answered_there(user: User) -> None:
    session_id = user.create()
    with talking(user, session_id) as client:
        client.send(json.dumps({"type": "query", "data": {"message": scripted({"text": "Fine."})}}))
        types = [message(client)["type"]]
        while types[-1] != "result":
            types.append(message(client)["type"])
    assert {"status_change", "text_delta", "message", "result"} <= set(types)


def test_another_users_session_cannot_be_streamed(user: User, system: System) -> None:
    session_id = user.create()
    for stranger in newcomer(system):
        assert stranger.http.get(f"/sessions/{session_id}/events").status_code == 404


def test_logout_ends_open_streams(user: User) -> None:
    session_id = user.create()
    with following(user, f"/sessions/{session_id}/events") as events, talking(user, session_id) as client:
        user.http.post("/auth/logout").raise_for_status()
        assert [event.event for event in events][-1] == "error"
        assert close_code(client) == 1008


def test_a_client_that_reads_nothing_delays_nobody(user: User, system: System) -> None:
    session_id = user.create()
    place = urlsplit(system.base_url)
    with socket.create_connection((str(place.hostname), place.port or 0), timeout=60) as dead:
        dead.sendall(
            f"GET /api/v1/sessions/{session_id}/events?after=0 HTTP/1.1\r\nhost: {place.netloc}\r\n"
            f"authorization: {user.http.headers['authorization']}\r\n\r\n".encode()
        )
        assert dead.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL).endswith(b" 200")
        with following(user, f"/sessions/{session_id}/events") as events:
            user.ask(session_id, scripted({"text": "a " * 40_000})).raise_for_status()
            assert read_events(events)[-1].event == "session.run_completed"


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
        ran = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
        run, tools, everything = [*ran.stdout.split("event: connected")[1:], "", "", ""][:3]
        assert "event: result\n" in run
        tool_events = ["session.tool_call_started", "session.tool_call_ended"]
        return re.findall("event: (.*)", tools) == tool_events and "event: identity.user_registered\n" in everything

    until(shown)  # the guide reads streams for 3 s, in which a busy machine may not send everything


def asked_and_cut(user: User, session_id: str, message: str) -> None:
    """Ask, and lose the connection."""
    with pytest.raises(httpx.TransportError), httpx.Client(headers=user.http.headers, timeout=60) as client:
        client.post(f"{user.http.base_url}sessions/{session_id}/query", json={"message": message})


def answers(user: User) -> bool:
    try:
        return user.http.get("/auth/me").status_code == 200
    except httpx.TransportError:
        return False
