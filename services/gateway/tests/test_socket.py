"""The WebSocket of a session: authentication, events, and the end of the connection."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import FAMILY, MESSAGE, RUN, SESSION
from contracts.session.approval import ApprovalDecided, ApprovalRequested
from contracts.session.archive import SessionArchived
from contracts.session.conversation import MessageRecorded, ToolCallEnded
from contracts.session.run import (
    GetRun,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    UsageRecorded,
)
from contracts.session.session import GetSession, SessionCreated, SessionDeleted, SessionPaused, SessionResumed
from gateway.schemas.run import Answer
from runtime.testing import eventually
from websockets.typing import Subprotocol

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import open_stream
from services.gateway.tests.websocket_client import Client, open_websocket


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> FakeServices:
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    return services


@pytest.fixture
async def client(base_url: str, services: FakeServices) -> AsyncGenerator[Client]:
    async with open_websocket(base_url, services.token()) as client:
        assert await client.next() == ("connected", {"session_id": SESSION, "resume_from": "0"})
        yield client


@each("protocols", [["bearer.{}", "agentapi"], ["agentapi", "bearer.{}"]])
async def test_the_token_may_be_in_the_subprotocols(base_url: str, services: FakeServices, protocols: list[str]):
    offered = [Subprotocol(name.format(services.token())) for name in protocols]
    async with open_websocket(base_url, None, subprotocols=offered) as client:
        assert (await client.next())[0] == "connected"
        assert client.socket.subprotocol == "agentapi"


async def test_the_token_may_be_in_the_query_string(base_url: str, services: FakeServices):
    async with open_websocket(base_url, None, f"?token={services.token()}") as client:
        assert (await client.next())[0] == "connected"


@each("query", ["?token=another", "?token={}&token=another", ""])
async def test_several_tokens_close_with_1008(base_url: str, services: FakeServices, query: str):
    token = services.token()
    offered = None if query else [Subprotocol("bearer.another")]
    async with open_websocket(base_url, token, query.format(token), subprotocols=offered) as client:
        assert (await client.next())[1]["message"] == "The request has several access tokens or API keys. Send one."
        assert await client.wait_closed() == (1008, [])


@pytest.mark.parametrize("token", [None, "no.such.token"])
async def test_a_missing_or_invalid_token_closes_with_1008(base_url: str, token: str | None):
    async with open_websocket(base_url, token) as client:
        assert await client.wait_closed() == (1008, ["error"])


async def test_another_users_session_is_not_found(base_url: str, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    async with open_websocket(base_url, services.token()) as client:
        assert (await client.next())[1]["code"] == "SESSION_NOT_FOUND"
        assert await client.wait_closed() == (1008, [])


@pytest.mark.usefixtures("impatient")
async def test_an_unavailable_service_closes_with_1011(base_url: str, services: FakeServices):
    await services.ignore(GetSession)
    async with open_websocket(base_url, services.token()) as client:
        assert await client.wait_closed() == (1011, ["error"])


@each(
    ("event", "kind"),
    [
        (RunRequested, "message"),
        (RunStarted, "status_change"),
        (ApprovalRequested, "approval_requested"),
        (MessageRecorded, "message"),
        (ToolCallEnded, "tool_call_completed"),
        (RunCompleted, "result"),
        (ApprovalDecided, "session.approval_decided"),
        (UsageRecorded, "session.usage_recorded"),
        (SessionArchived, "session.archived"),
    ],
)
async def test_events_have_the_message_types_of_websockets(
    client: Client, services: FakeServices, event: Any, kind: str
):
    await services.publish(event.example())
    name, data = await client.next()
    assert (name, data["type"]) == (kind, event.subject.removeprefix("evt."))


async def test_a_message_has_its_fields_once(client: Client, services: FakeServices):
    await services.publish(MessageRecorded.example())
    _, data = await client.next()
    sent = MessageRecorded.example().model_dump(mode="json", exclude=set(MessageRecorded.internal))
    assert {name: data[name] for name in sent} == sent
    assert not {"data", "content"} & data.keys()


@pytest.mark.parametrize(
    ("event", "run_id", "status"),
    [
        (SessionCreated, None, "created"),
        (RunQueued, RUN, "queued"),
        (RunStarted, RUN, "processing"),
        (ApprovalRequested, RUN, "waiting"),
        (SessionPaused, None, "paused"),
        (SessionDeleted, None, "terminated"),
        (ApprovalDecided, RUN, "active"),
        (SessionResumed, None, "active"),
    ],
)
async def test_a_status_change_has_the_status(
    client: Client, services: FakeServices, event: Any, run_id: str | None, status: str
):
    await services.publish(event.example())
    _, data = await client.next()
    assert (data.get("run_id"), data["status"]) == (run_id, status)


async def test_an_unknown_status_is_null(client: Client, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    await services.publish(SessionResumed.example())
    assert (await client.next())[1]["status"] is None


async def test_a_result_has_the_answer(client: Client, services: FakeServices):
    await services.answer(GetRun, samples.run())
    await services.publish(RunCompleted.example())
    name, data = await client.next()
    assert (name, data["status"], data["error_code"]) == ("result", "completed", None)
    assert Answer.to(samples.run()).model_dump(mode="json").items() <= data.items()


async def test_the_result_of_a_failed_run_has_the_reason(client: Client, services: FakeServices):
    failed = {
        "status": "failed",
        "error_code": "MODEL_ERROR",
        "error_detail": "The model provider is overloaded (HTTP 529).",
    }
    await services.answer(GetRun, samples.run(**failed))
    await services.publish(RunFailed.example())
    assert failed.items() <= (await client.next())[1].items()


async def test_the_result_of_a_deleted_session_is_taken_from_the_event(client: Client, services: FakeServices):
    await services.answer(GetRun, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    await services.publish(RunCancelled.example())
    _, data = await client.next()
    assert (data["status"], data["error_code"], data["content"]) == ("cancelled", "RUN_CANCELLED", None)


async def test_text_deltas_are_forwarded(client: Client, services: FakeServices):
    await services.publish_text("Hel")
    assert await client.next() == (
        "text_delta",
        {"session_id": SESSION, "run_id": RUN, "message_id": MESSAGE, "text": "Hel"},
    )


async def test_a_resumed_websocket_has_the_events_of_the_event_stream(base_url: str, services: FakeServices):
    for event in (RunRequested, RunStarted, MessageRecorded, RunCompleted):
        await services.publish(event.example())
    async with (
        open_websocket(base_url, services.token(), "?after=1") as client,
        open_stream(base_url, services.token(), params={"after": "1"}) as follower,
    ):
        await client.next()
        for _ in range(3):
            assert (await follower.next()).json().items() <= (await client.next())[1].items()


async def test_events_are_selected_by_either_kind_of_name(base_url: str, services: FakeServices):
    async with open_websocket(
        base_url, services.token(), "?types=message,tool_*_completed,session.run_started"
    ) as client:
        await client.next()
        await services.publish_text("not asked for")
        for event in (RunRequested, RunStarted, SessionPaused, ToolCallEnded, MessageRecorded):
            await services.publish(event.example())
        types = [(await client.next())[0] for _ in range(4)]
    assert types == ["message", "status_change", "tool_call_completed", "message"]


async def test_an_unknown_event_name_is_refused(base_url: str, services: FakeServices):
    async with open_websocket(base_url, services.token(), "?types=message,session.run_finished") as client:
        assert "session.run_finished" in (await client.next())[1]["message"]
        assert await client.wait_closed() == (1008, [])


async def test_a_cursor_of_a_lost_bus_is_a_gap(base_url: str, services: FakeServices):
    async with open_websocket(base_url, services.token(), "?after=7") as client:
        assert await client.wait_closed() == (1000, ["connected", "gap"])


@each(
    ("query", "named"), [("?afetr=7", "afetr"), ("?after=7&after=8", "after"), ("?legacy=yes", "legacy: Must be true")]
)
async def test_an_unclear_query_parameter_closes_with_1008(
    base_url: str, services: FakeServices, query: str, named: str
):
    async with open_websocket(base_url, services.token(), query) as client:
        kind, data = await client.next()
        assert (kind, data["code"]) == ("error", "VALIDATION_ERROR")
        assert named in data["message"]
        assert await client.wait_closed() == (1008, [])


async def test_heartbeats_have_the_cursor_to_resume_from(base_url: str, services: FakeServices, harness: Harness):
    await services.create_streams()
    harness.gateway.streams.heartbeat = 0.1
    async with open_websocket(base_url, services.token()) as client:
        await client.next()
        await services.publish(RunStarted.example())
        await client.next()
        number = await services.publish(RunStarted.example(), at=str(OTHER))
        assert await client.next() == ("heartbeat", {"resume_from": str(number)})


async def test_a_revoked_token_closes_with_1008(client: Client, harness: Harness):
    harness.gateway.revocations.add(UUID(FAMILY))
    assert await client.wait_closed() == (1008, ["error"])


async def test_a_shutdown_closes_with_1001(client: Client, harness: Harness):
    await harness.gateway.streams.close()
    assert await client.wait_closed() == (1001, [])


async def test_a_disconnect_releases_all_resources(client: Client, harness: Harness):
    assert len(harness.gateway.streams.open) == 1
    await client.socket.close()
    await eventually(lambda: not harness.gateway.streams.open)
