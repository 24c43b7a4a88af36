"""The WebSocket of a session: what happens goes out, queries come in."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import APPROVAL, FAMILY, MESSAGE, RUN, SESSION
from contracts.session.approvals import ApprovalDecided, ApprovalRequested, DecideApproval
from contracts.session.commands import InterruptSession, SubmitQuery
from contracts.session.events import (
    MessageRecorded,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionCreated,
    SessionDeleted,
    SessionPaused,
    SessionResumed,
    ToolCallEnded,
)
from contracts.session.queries import GetRun, GetSession, MessageView
from gateway.schemas.conversation import Answer
from gateway.streams import past
from runtime.testing import eventually
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from services.gateway.tests import samples
from services.gateway.tests.conftest import OTHER, Door, Services
from services.gateway.tests.following import following

PATH = f"/api/v1/sessions/{SESSION}/stream"


@pytest.fixture(autouse=True)
async def service(services: Services) -> Services:
    await services.open_streams()
    await services.answer(GetSession, samples.session())
    return services


class Client:
    """Talks over one socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self) -> tuple[str, dict[str, Any]]:
        message = json.loads(await self.socket.recv())
        assert set(message) == {"type", "data"}
        return message["type"], message["data"]

    async def say(self, kind: str, **data: Any) -> tuple[str, dict[str, Any]]:
        await self.socket.send(json.dumps({"type": kind, "data": data}))
        return await self.next()

    async def closed(self) -> tuple[int | None, list[str]]:
        """Give the code that it is closed with, and the types of what comes before."""
        types: list[str] = []
        with suppress(ConnectionClosed):
            while True:
                types.append((await self.next())[0])
        return self.socket.close_code, types


@asynccontextmanager
async def talking(base_url: str, token: str | None, query: str = "", **options: Any) -> AsyncGenerator[Client]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    address = f"{base_url.replace('http', 'ws')}{PATH}{query}"
    async with connect(address, additional_headers=headers, **options) as socket:
        yield Client(socket)


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
    ("fact", "kind"),
    [
        (RunRequested, "message"),
        (RunStarted, "status_change"),
        (ApprovalRequested, "approval_requested"),
        (MessageRecorded, "message"),
        (ToolCallEnded, "tool_call_completed"),
        (RunCompleted, "result"),
    ],
)
async def test_facts_come_under_names_of_their_own(client: Client, services: Services, fact: Any, kind: str):
    await services.record(fact.example())
    name, data = await client.next()
    assert (name, data["type"]) == (kind, fact.subject.removeprefix("evt."))


@pytest.mark.parametrize(
    ("fact", "message"),
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
    client: Client, services: Services, fact: Any, message: dict[str, Any]
):
    await services.record(fact.example())
    _, data = await client.next()
    whole = {"id": MESSAGE, "run_id": RUN, "created_at": "2026-11-25T09:00:00Z"} | message
    assert set(whole) == set(MessageView.model_fields)
    assert whole.items() <= data.items()


async def test_a_long_message_of_the_user_comes_by_its_beginning(client: Client, services: Services):
    await services.record(RunRequested.model_validate(RunRequested.sample | {"message": "x" * 100_000}))
    content = (await client.next())[1]["content"]
    assert content == {"content": "x" * 1000, "truncated": True, "size_bytes": 100_000}


@pytest.mark.parametrize(
    ("fact", "run_id", "status"),
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
    client: Client, services: Services, fact: Any, run_id: str | None, status: str
):
    await services.record(fact.example())
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


async def test_a_result_of_a_session_that_is_gone_says_what_the_fact_says(client: Client, services: Services):
    await services.answer(GetRun, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    await services.record(RunCancelled.example())
    _, data = await client.next()
    assert (data["status"], data["error_code"], data["content"]) == ("cancelled", "RUN_CANCELLED", None)


async def test_words_come_as_they_are_said(client: Client, services: Services):
    await services.say("Hel")
    assert await client.next() == ("text_delta", {"session_id": SESSION, "run_id": RUN, "text": "Hel"})


async def test_it_resumes_after_a_number_with_the_same_facts_as_events(base_url: str, services: Services):
    for fact in (RunRequested, RunStarted, MessageRecorded, RunCompleted):
        await services.record(fact.example())
    async with (
        talking(base_url, services.token(), "?after=1") as client,
        following(base_url, services.token(), params={"after": "1"}) as follower,
    ):
        await client.next()
        for _ in range(3):
            assert (await follower.next()).json().items() <= (await client.next())[1].items()


async def test_facts_are_asked_for_by_their_names_here_or_elsewhere(base_url: str, services: Services):
    async with talking(base_url, services.token(), "?types=message,tool_*_completed,session.run_started") as client:
        await client.next()
        await services.say("not asked for")
        for fact in (RunRequested, RunStarted, SessionPaused, ToolCallEnded, MessageRecorded):
            await services.record(fact.example())
        told = [(await client.next())[0] for _ in range(4)]
    assert told == ["message", "status_change", "tool_call_completed", "message"]


async def test_a_name_that_no_event_has_is_refused(base_url: str, services: Services):
    async with talking(base_url, services.token(), "?types=message,session.run_finished") as client:
        assert "session.run_finished" in (await client.next())[1]["message"]
        assert await client.closed() == (1008, [])


async def test_a_number_from_a_bus_that_is_gone_is_a_gap(base_url: str, services: Services):
    async with talking(base_url, services.token(), "?after=7") as client:
        assert await client.closed() == (1000, ["connected", "gap"])


async def test_a_quiet_socket_tells_from_where_to_resume(client: Client, services: Services, door: Door):
    door.gateway.streams.heartbeat = 0.1
    await services.record(RunStarted.example())
    await client.next()
    number = await services.record(RunStarted.example(), at=str(OTHER))
    assert await client.next() == ("heartbeat", {"resume_from": str(number)})


async def test_a_ping_is_answered(client: Client):
    assert await client.say("ping") == ("pong", {})


async def test_an_answer_names_the_message_that_it_answers(client: Client):
    for name in ("one", 2):
        await client.socket.send(json.dumps({"type": "ping", "id": name}))
        assert json.loads(await client.socket.recv()) == {"type": "pong", "data": {}, "reply_to": name}
    await client.socket.send(json.dumps({"type": "dance", "id": "three"}))
    assert json.loads(await client.socket.recv())["reply_to"] == "three"


@pytest.mark.parametrize("name", [["x"], True, "x" * 201])
async def test_a_name_that_cannot_be_is_an_error(client: Client, name: object):
    await client.socket.send(json.dumps({"type": "ping", "id": name}))
    assert (await client.next())[1]["code"] == "VALIDATION_ERROR"


async def test_a_ping_is_answered_while_the_past_has_to_wait(base_url: str, services: Services, door: Door):
    await services.record(RunStarted.example())
    for _ in range(past.READERS):
        await door.gateway.streams.past.readers.acquire()
    async with talking(base_url, services.token(), "?after=0") as client:
        await client.next()
        assert await client.say("ping") == ("pong", {})


async def test_text_with_a_nul_character_is_an_error(client: Client):
    assert "NUL" in (await client.say("query", message="Hel\0lo"))[1]["message"]


async def test_a_query_that_nobody_took_names_its_run(client: Client):
    kind, data = await client.say("query", message="Hello")
    assert (kind, data["code"]) == ("error", "UNAVAILABLE")
    assert data["run_id"] in data["message"]


async def test_a_query_starts_a_run(client: Client, services: Services):
    await services.answer_with(SubmitQuery, lambda command: samples.run(id=command.run_id, status="queued"))
    kind, data = await client.say("query", message="Hello")
    [command] = [message for message, _ in services.heard if isinstance(message, SubmitQuery)]
    assert command.message == "Hello"
    assert (kind, data) == (
        "status_change",
        {"session_id": SESSION, "run_id": str(command.run_id), "status": "queued"},
    )


async def test_a_query_that_is_refused_is_an_error(client: Client, services: Services):
    await services.answer(SubmitQuery, Refused(code=Code.SESSION_BUSY, detail="Busy."))
    assert await client.say("query", message="Hello") == ("error", {"code": "SESSION_BUSY", "message": "Busy."})


async def test_a_viewer_may_not_query(base_url: str, services: Services):
    async with talking(base_url, services.token(role="viewer")) as client:
        await client.next()
        assert (await client.say("query", message="Hello"))[1]["code"] == "FORBIDDEN"


async def test_the_going_run_can_be_interrupted(client: Client, services: Services):
    await services.answer(InterruptSession, samples.session(status="active"))
    assert await client.say("interrupt") == (
        "status_change",
        {"session_id": SESSION, "run_id": None, "status": "active"},
    )


@pytest.mark.parametrize(("kind", "decision"), [("approve", "approved"), ("deny", "denied")])
async def test_an_approval_is_decided(client: Client, services: Services, kind: str, decision: str):
    await services.answer(DecideApproval, samples.approval(status=decision))
    told = await client.say(kind, approval_id=APPROVAL, message="Why not.")
    [command] = [message for message, _ in services.heard if isinstance(message, DecideApproval)]
    assert told == (
        "status_change",
        {"session_id": SESSION, "run_id": RUN, "status": "active", "approval_id": APPROVAL, "decision": decision},
    )
    assert (command.approval_id, command.decision, command.message) == (UUID(APPROVAL), decision, "Why not.")


async def test_a_decision_about_nothing_is_an_error(client: Client):
    assert (await client.say("approve", message="Yes."))[1]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("text", ["no json", "[]", '{"type": "dance"}', '{"type": "query"}', b"\x00"])
async def test_what_cannot_be_understood_is_an_error_and_the_stream_goes_on(client: Client, text: str | bytes):
    await client.socket.send(text)
    assert (await client.next())[1]["code"] == "VALIDATION_ERROR"
    assert await client.say("ping") == ("pong", {})


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
