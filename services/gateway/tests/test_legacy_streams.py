"""Streams and WebSockets in the form of release 0.1."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION
from contracts.session.approval import ApprovalDecided, DecideApproval
from contracts.session.conversation import MessageRecorded, MessageView
from contracts.session.run import GetRun, RunCompleted, RunRequested, UsageRecorded
from contracts.session.session import GetSession

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.sse_client import EVENTS, open_stream
from services.gateway.tests.test_streams import MINE, USED
from services.gateway.tests.websocket_client import Client, open_websocket

LEGACY = "?legacy=true"
MEMBERS = {"type", "session_id", "resource_id", "sequence", "at", "data"}


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> FakeServices:
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    return services


@pytest.fixture
async def client(base_url: str, services: FakeServices) -> AsyncGenerator[Client]:
    async with open_websocket(base_url, services.token(), LEGACY) as client:
        await client.next()
        yield client


@each("path", [EVENTS, MINE])
async def test_a_stream_has_the_fields_in_a_member(base_url: str, services: FakeServices, path: str):
    async with open_stream(base_url, services.token(), f"{path}{LEGACY}") as follower:
        number = await services.publish(RunCompleted.example())
        event = await follower.next()
    assert event.json() == {
        "type": "session.run_completed",
        "session_id": SESSION,
        "resource_id": SESSION,
        "sequence": number,
        "at": "2026-11-25T09:00:00Z",
        "data": RunCompleted.example().model_dump(mode="json") | {"usage": USED},
    }


@each(
    ("event", "message"),
    [
        (RunRequested, {"sequence_number": 1, "message_type": "user", "model": None, "content": {"content": "Hello"}}),
        (
            MessageRecorded,
            {
                "sequence_number": 2,
                "message_type": "assistant",
                "model": "claude-sonnet-4-5",
                "content": {"content": "Hi there!", "blocks": [{"type": "text", "text": "Hi there!"}]},
            },
        ),
    ],
)
async def test_messages_have_the_fields_of_the_list_of_messages(
    client: Client, services: FakeServices, event: Any, message: dict[str, Any]
):
    await services.publish(event.example())
    _, data = await client.next()
    whole = {"id": MESSAGE, "run_id": RUN, "created_at": "2026-11-25T09:00:00Z", "parent_tool_call_id": None} | message
    assert set(whole) | {"incomplete"} == set(MessageView.model_fields)
    assert whole.items() <= data.items()


async def test_a_long_message_of_the_user_is_truncated(client: Client, services: FakeServices):
    await services.publish(RunRequested.model_validate(RunRequested.sample | {"message": "x" * 100_000}))
    content = (await client.next())[1]["content"]
    assert content == {"content": "x" * 1000, "truncated": True, "size_bytes": 100_000}


@each("event", [ApprovalDecided, UsageRecorded])
async def test_all_other_events_are_a_status_change(client: Client, services: FakeServices, event: Any):
    await services.publish(event.example())
    name, data = await client.next()
    assert (name, data["run_id"], data["status"]) == ("status_change", RUN, "active")
    assert data.keys() == MEMBERS | {"run_id", "status"}


async def test_the_reply_to_a_decision_is_a_status_change(client: Client, services: FakeServices):
    await services.answer(DecideApproval, samples.approval(status="approved"))
    assert (await client.send("approve", approval_id=APPROVAL))[0] == "status_change"


async def test_a_result_has_the_event_and_the_answer(client: Client, services: FakeServices):
    await services.answer(GetRun, samples.run())
    await services.publish(RunCompleted.example())
    name, data = await client.next()
    assert (name, data["status"], data["message_id"]) == ("result", "completed", MESSAGE)
    assert data["data"]["run_id"] == data["run_id"] == RUN
