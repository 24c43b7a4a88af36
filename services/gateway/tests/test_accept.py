"""Content negotiation by the header Accept."""

import httpx
from contracts.samples import SESSION
from gateway.routing.prefer import accepts_events, prefers_events
from starlette.requests import Request

from services.gateway.tests.cases import each


def request(*accepted: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", each.encode()) for each in accepted]})


@each(
    ("accept", "events"),
    [
        ("text/event-stream", True),
        ("text/event-stream;q=0", False),
        ("TEXT/Event-Stream; q=0.5", True),
        ("application/json, text/event-stream", True),
        ("application/json;q=0.9, text/event-stream;q=0.1", False),
        ("application/json;q=0.1, text/event-stream;q=0.9", True),
        ("*/*", False),
        ("text/*", True),
        ("text/event-stream, */*", True),
        ("text/event-stream;q=0, */*", False),
        ("application/json", False),
        ("text/event-stream;q=x", True),
        ("", False),
    ],
)
def test_events_are_sent_to_clients_that_prefer_them(accept: str, events: bool):
    assert prefers_events(request(accept)) is events


def test_several_accept_headers_are_combined():
    assert prefers_events(request("application/json;q=0.5", "text/event-stream"))


def test_without_accept_json_is_preferred_and_events_are_accepted():
    assert (accepts_events(request()), prefers_events(request())) == (True, False)


@each("accept", ["application/json", "text/event-stream;q=0", "text/event-stream;q=0, */*"])
@each("path", [f"/api/v1/sessions/{SESSION}/events", "/api/v1/events"])
async def test_a_stream_that_the_client_does_not_accept_is_406(client: httpx.AsyncClient, path: str, accept: str):
    response = await client.get(path, headers={"accept": accept})
    assert (response.status_code, response.json()["error_code"]) == (406, "NOT_ACCEPTABLE")
