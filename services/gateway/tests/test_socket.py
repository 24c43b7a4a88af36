"""The WebSocket of a session: what happens goes out, queries come in."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import FAMILY, MESSAGE, RUN, SESSION
from contracts.session.approval import ApprovalDecided, ApprovalRequested
from contracts.session.conversation import MessageRecorded, MessageView, ToolCallEnded
from contracts.session.run import GetRun, RunCancelled, RunCompleted, RunFailed, RunQueued, RunRequested, RunStarted
from contracts.session.session import GetSession, SessionCreated, SessionDeleted, SessionPaused, SessionResumed
from gateway.schemas.run import Answer
from gateway.streams.fan_out import Limits
from runtime.testing import eventually
from websockets.typing import Subprotocol

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.following import following
from services.gateway.tests.stand_ins import OTHER, Services
from services.gateway.tests.talking import Client, talking


@pytest.fixture(autouse=True)
async def service(services: Services) -> Services:
    await services.open_streams()
    await services.answer(GetSession, samples.session())
    return services


@pytest.fixture
async def client(base_url: str, services: Services) -> AsyncGenerator[Client]:
    async with talking(base_url, services.token()) as client:
        assert await client.next() == ("connected", {"session_id": SESSION, "resume_from": "0"})
        yield client


@pytest.mark.parametrize("protocols", [["bearer.{}", "agentapi"], ["agentapi", "bearer.{}"]])
async def test_a_browser_brings_its_token_as_a_subprotocol(base_url: str, services: Services, protocols: list[str]):
    offered = [Subprotocol(name.format(services.token())) for name in protocols]
    async with talking(base_url, None, subprotocols=offered) as client:
        assert (await client.next())[0] == "connected"
        assert client.socket.subprotocol == "agentapi"


async def test_a_token_may_be_in_the_address(base_url: str, services: Services):
    async with talking(base_url, None, f"?token={services.token()}") as client:
        assert (await client.next())[0] == "connected"


@pytest.mark.parametrize("token", [None, "no.such.token"])
async def test_without_a_good_token_it_is_closed_with_1008(base_url: str, token: str | None):
    async with talking(base_url, token) as client:
        assert await client.closed() == (1008, ["error"])


async def test_a_session_of_another_does_not_exist(base_url: str, services: Services):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    async with talking(base_url, services.token()) as client:
        assert (await client.next())[1]["code"] == "SESSION_NOT_FOUND"
        assert await client.closed() == (1008, [])


async def test_a_service_that_does_not_answer_is_a_fault(base_url: str, services: Services):
    await services.hear(GetSession)
    async with talking(base_url, services.token()) as client:
        assert await client.closed() == (1011, ["error"])


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (RunRequested, "message"),
        (RunStarted, "status_change"),
        (ApprovalRequested, "approval_requested"),
        (MessageRecorded, "message"),
        (ToolCallEnded, "tool_call_completed"),
        (RunCompleted, "result"),
    ],
)
async def test_events_come_under_names_of_their_own(client: Client, services: Services, event: Any, kind: str):
    await services.record(event.example())
    name, data = await client.next()
    assert (name, data["type"]) == (kind, event.subject.removeprefix("evt."))


@pytest.mark.parametrize(
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
async def test_messages_of_both_sides_have_the_shape_of_the_list(
    client: Client, services: Services, event: Any, message: dict[str, Any]
):
    await services.record(event.example())
    _, data = await client.next()
    whole = {"id": MESSAGE, "run_id": RUN, "created_at": "2026-11-25T09:00:00Z", "parent_tool_call_id": None} | message
    assert set(whole) == set(MessageView.model_fields)
    assert whole.items() <= data.items()


async def test_a_long_message_of_the_user_comes_by_its_beginning(client: Client, services: Services):
    await services.record(RunRequested.model_validate(RunRequested.sample | {"message": "x" * 100_000}))
    content = (await client.next())[1]["content"]
    assert content == {"content": "x" * 1000, "truncated": True, "size_bytes": 100_000}


@pytest.mark.parametrize(
    ("event", "run_id", "status"),
    [
        (SessionCreated, None, "created"),
        (RunQueued, RUN, "queued"),
        (RunStarted, RUN, "processing"),
        (ApprovalRequested, None, "waiting"),
        (SessionPaused, None, "paused"),
        (SessionDeleted, None, "terminated"),
        (ApprovalDecided, RUN, "active"),
        (SessionResumed, None, "active"),
    ],
)
async def test_a_change_of_status_says_the_status(
    client: Client, services: Services, event: Any, run_id: str | None, status: str
):
    await services.record(event.example())
    _, data = await client.next()
    assert (data.get("run_id"), data["status"]) == (run_id, status)


async def test_a_status_that_nobody_can_say_is_null(client: Client, services: Services):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    await services.record(SessionResumed.example())
    assert (await client.next())[1]["status"] is None


async def test_a_result_has_the_answer(client: Client, services: Services):
    await services.answer(GetRun, samples.run())
    await services.record(RunCompleted.example())
    name, data = await client.next()
    assert (name, data["status"], data["error_code"]) == ("result", "completed", None)
    assert Answer.to(samples.run()).model_dump(mode="json").items() <= data.items()


async def test_a_result_of_a_failed_run_says_why(client: Client, services: Services):
    failed = {"status": "failed", "error_code": "MODEL_ERROR", "error_detail": "The model answered 529."}
    await services.answer(GetRun, samples.run(**failed))
    await services.record(RunFailed.example())
    assert failed.items() <= (await client.next())[1].items()


async def test_a_result_of_a_session_that_is_gone_says_what_the_event_says(client: Client, services: Services):
    await services.answer(GetRun, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    await services.record(RunCancelled.example())
    _, data = await client.next()
    assert (data["status"], data["error_code"], data["content"]) == ("cancelled", "RUN_CANCELLED", None)


async def test_words_come_as_they_are_said(client: Client, services: Services):
    await services.say("Hel")
    assert await client.next() == ("text_delta", {"session_id": SESSION, "run_id": RUN, "text": "Hel"})


async def test_it_resumes_after_a_number_with_the_same_events_as_events(base_url: str, services: Services):
    for event in (RunRequested, RunStarted, MessageRecorded, RunCompleted):
        await services.record(event.example())
    async with (
        talking(base_url, services.token(), "?after=1") as client,
        following(base_url, services.token(), params={"after": "1"}) as follower,
    ):
        await client.next()
        for _ in range(3):
            assert (await follower.next()).json().items() <= (await client.next())[1].items()


async def test_events_are_asked_for_by_their_names_here_or_elsewhere(base_url: str, services: Services):
    async with talking(base_url, services.token(), "?types=message,tool_*_completed,session.run_started") as client:
        await client.next()
        await services.say("not asked for")
        for event in (RunRequested, RunStarted, SessionPaused, ToolCallEnded, MessageRecorded):
            await services.record(event.example())
        told = [(await client.next())[0] for _ in range(4)]
    assert told == ["message", "status_change", "tool_call_completed", "message"]


async def test_a_name_that_no_event_has_is_refused(base_url: str, services: Services):
    async with talking(base_url, services.token(), "?types=message,session.run_finished") as client:
        assert "session.run_finished" in (await client.next())[1]["message"]
        assert await client.closed() == (1008, [])


async def test_a_number_from_a_bus_that_is_gone_is_a_gap(base_url: str, services: Services):
    async with talking(base_url, services.token(), "?after=7") as client:
        assert await client.closed() == (1000, ["connected", "gap"])


async def test_an_unknown_query_parameter_closes_the_socket_and_is_named(base_url: str, services: Services):
    async with talking(base_url, services.token(), "?afetr=7") as client:
        kind, data = await client.next()
        assert (kind, data["code"]) == ("error", "VALIDATION_ERROR")
        assert "afetr" in data["message"]
        assert await client.closed() == (1008, [])


async def test_a_quiet_socket_tells_from_where_to_resume(base_url: str, services: Services, door: Door):
    await services.open_streams()
    door.gateway.streams.limits = Limits(heartbeat=0.1, per_user=1)
    async with talking(base_url, services.token()) as client:
        await client.next()
        await services.record(RunStarted.example())
        await client.next()
        number = await services.record(RunStarted.example(), at=str(OTHER))
        assert await client.next() == ("heartbeat", {"resume_from": str(number)})


async def test_a_revoked_token_closes_it_with_1008(client: Client, door: Door):
    door.gateway.revocations.add(UUID(FAMILY))
    assert await client.closed() == (1008, ["error"])


async def test_a_server_that_stops_closes_it_with_1001(client: Client, door: Door):
    await door.gateway.streams.close()
    assert await client.closed() == (1001, [])


async def test_a_client_that_leaves_leaves_nothing_behind(client: Client, door: Door):
    assert len(door.gateway.streams.open) == 1
    await client.socket.close()
    await eventually(lambda: not door.gateway.streams.open)
