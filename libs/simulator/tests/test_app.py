import json
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from simulator.app import MAX_BODY_BYTES
from simulator.prompt import scripted
from simulator.script import Turn

type Client = TestClient[web.Request, web.Application]


def body(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-x", "max_tokens": 10, "messages": [{"role": "user", "content": prompt}], **more}


def play(*turns: Turn, **more: Any) -> dict[str, Any]:
    return body(scripted("", *turns), **more)


async def test_the_simulator_reports_that_it_is_ready(client: Client) -> None:
    async with client.get("/health/ready") as response:
        assert (response.status, await response.json()) == (200, {"status": "ready"})


async def test_a_message_is_answered_as_json(client: Client) -> None:
    async with client.post("/v1/messages?beta=true", json=play(Turn(text="hi"))) as response:
        answer = await response.json()

    assert (answer["model"], answer["content"]) == ("claude-x", [{"type": "text", "text": "hi"}])


async def test_a_message_is_answered_as_a_stream(client: Client) -> None:
    async with client.post("/v1/messages", json=play(Turn(text="hi"), stream=True)) as response:
        events = (await response.text()).strip().split("\n\n")

    name, data = events[-2].split("\n")
    assert (response.content_type, name, json.loads(data.removeprefix("data: "))["delta"]["stop_reason"]) == (
        "text/event-stream",
        "event: message_delta",
        "end_turn",
    )


async def test_tokens_are_counted_from_the_length(client: Client) -> None:
    async with client.post("/v1/messages/count_tokens", json=body("x" * 4_000)) as response:
        assert 1_000 < (await response.json())["input_tokens"] < 1_100


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("GET", "/v1/messages"), ("POST", "/")])
async def test_another_route_is_not_found(client: Client, method: str, path: str) -> None:
    async with client.request(method, path) as response:
        answer = await response.json()

    assert (response.status, answer["type"], answer["error"]) == (
        404,
        "error",
        {"type": "not_found_error", "message": f"not found: {method} {path}"},
    )


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"{", "Invalid JSON"),
        (b'{"model":"m"}', "messages: this field is required"),
        (b'{"model":"m","messages":[]}', "messages: List should have at least 1 item"),
        (json.dumps(body('[[simulate {"turns":[{"txt":1}]}]]')).encode(), "turns.0.txt: unknown field"),
    ],
)
async def test_an_invalid_request_is_refused(client: Client, sent: bytes, reason: str) -> None:
    async with client.post("/v1/messages", data=sent) as response:
        error = (await response.json())["error"]

    assert (response.status, error["type"], reason in error["message"]) == (400, "invalid_request_error", True)


async def test_a_request_that_is_too_large_is_refused(client: Client) -> None:
    async with client.post("/v1/messages", data=BytesIO(b" " * (MAX_BODY_BYTES + 1))) as response:
        assert (response.status, (await response.json())["error"]["type"]) == (413, "request_too_large")


async def test_a_scripted_failure_has_a_request_id(client: Client) -> None:
    async with client.post("/v1/messages", json=play(Turn(status=529), stream=True)) as response:
        error = await response.json()

    assert (response.status, error["error"]["type"], error["request_id"]) == (
        529,
        "overloaded_error",
        response.headers["request-id"],
    )


async def test_a_failure_is_counted_across_requests(client: Client) -> None:
    prompt = play(Turn(status=500, times=1, text="back"))
    async with client.post("/v1/messages", json=prompt) as failed, client.post("/v1/messages", json=prompt) as second:
        assert (failed.status, second.status) == (500, 200)


async def test_a_stalled_stream_sends_half_of_the_text(client: Client) -> None:
    async with client.post("/v1/messages", json=play(Turn(text="abcd", stall=300), stream=True)) as response:
        assert '"ab"' in (await response.content.readuntil(b'"ab"')).decode()


async def test_a_delayed_stream_sends_its_headers(client: Client) -> None:
    async with client.post("/v1/messages", json=play(Turn(delay=300), stream=True)) as response:
        assert response.status == 200


async def test_a_cut_stream_drops_the_connection(client: Client) -> None:
    async with client.post("/v1/messages", json=play(Turn(text="abcd", cut=True), stream=True)) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_cut_json_response_drops_the_connection(client: Client) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.post("/v1/messages", json=play(Turn(cut=True)))
