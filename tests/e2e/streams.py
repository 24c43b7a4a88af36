"""Streams of events and sockets of a user of the whole system."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from httpx_sse import ServerSentEvent, connect_sse
from onebox.testing.planted import check_none, revealed
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from tests.e2e.user import PATIENCE, User

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
def talking(
    user: User, session_id: str, query: str = "", headers: dict[str, str] | None = None
) -> Generator[ClientConnection]:
    """Open a socket, by default with the token of the user in a header, and read its `connected`."""
    address = f"{user.http.base_url}sessions/{session_id}/stream{query}".replace("http", "ws", 1)
    sent = {"authorization": user.http.headers["authorization"]} if headers is None else headers
    with connect(address, additional_headers=sent, open_timeout=PATIENCE, ping_timeout=PATIENCE) as client:
        assert message(client)["type"] == "connected"
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
    received = connection.recv(PATIENCE)
    check_none("a message of a socket", revealed(received))
    return json.loads(received)


def close_code(connection: ClientConnection) -> int | None:
    """Read until the socket is closed, and return the code."""
    with suppress(ConnectionClosedError):
        for _ in connection:
            pass
    return connection.close_code
