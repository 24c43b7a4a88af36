"""Messages that clients send over a WebSocket, and the replies to them."""

import json
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import APPROVAL, RUN, SESSION
from contracts.session.approval import DecideApproval
from contracts.session.run import InterruptSession, RunStarted, SubmitQuery
from contracts.session.session import GetSession
from gateway.streams import replay

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness
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


async def test_a_ping_is_answered(client: Client):
    assert await client.send("ping") == ("pong", {})


async def test_a_reply_names_the_message_it_replies_to(client: Client):
    for name in ("one", 2):
        await client.socket.send(json.dumps({"type": "ping", "id": name}))
        assert json.loads(await client.socket.recv()) == {"type": "pong", "data": {}, "reply_to": name}
    await client.socket.send(json.dumps({"type": "dance", "id": "three"}))
    assert json.loads(await client.socket.recv())["reply_to"] == "three"


@each("name", [["x"], True, "x" * 201])
async def test_an_invalid_message_id_is_an_error(client: Client, name: object):
    await client.socket.send(json.dumps({"type": "ping", "id": name}))
    assert (await client.next())[1]["code"] == "VALIDATION_ERROR"


@each(
    ("message", "error"),
    [
        ({"type": "query", "data": {"message": "x"}, "idempotency_kye": "k"}, "(did you mean `idempotency_key`?)"),
        ({"type": "query", "message": "x"}, "message: Unknown field."),
        ({"typ": "ping"}, "typ: Unknown field (did you mean `type`?)."),
        ({"type": "interrupt", "data": {"session_id": "x"}}, "data.session_id: Unknown field."),
    ],
)
async def test_an_unknown_member_of_a_message_is_refused(
    client: Client, services: FakeServices, message: object, error: str
):
    await client.socket.send(json.dumps(message))
    kind, data = await client.next()
    assert (kind, data["code"]) == ("error", "VALIDATION_ERROR")
    assert error in data["message"]
    assert not [each for each, _ in services.received if isinstance(each, SubmitQuery)]


async def test_a_ping_is_answered_while_replay_waits_for_a_reader(
    base_url: str, services: FakeServices, harness: Harness
):
    await services.publish(RunStarted.example())
    for _ in range(replay.READERS):
        await harness.gateway.streams.replay.readers.acquire()
    async with open_websocket(base_url, services.token(), "?after=0") as client:
        await client.next()
        assert await client.send("ping") == ("pong", {})
        for _ in range(replay.READERS):
            harness.gateway.streams.replay.readers.release()


async def test_text_with_a_nul_character_is_an_error(client: Client):
    assert "NUL" in (await client.send("query", message="Hel\0lo"))[1]["message"]


async def test_the_error_of_an_unanswered_query_names_its_run(client: Client):
    kind, data = await client.send("query", message="Hello")
    assert (kind, data["code"]) == ("error", "UNAVAILABLE")
    assert data["run_id"] in data["message"]


async def test_a_query_starts_a_run(client: Client, services: FakeServices):
    await services.answer_with(SubmitQuery, lambda command: samples.run(id=command.run_id, status="queued"))
    kind, data = await client.send("query", message="Hello")
    [command] = [message for message, _ in services.received if isinstance(message, SubmitQuery)]
    assert command.message == "Hello"
    assert (kind, data) == (
        "status_change",
        {"session_id": SESSION, "run_id": str(command.run_id), "status": "queued"},
    )


async def test_a_refused_query_is_an_error(client: Client, services: FakeServices):
    await services.answer(SubmitQuery, Refused(code=Code.SESSION_BUSY, detail="Busy."))
    assert await client.send("query", message="Hello") == ("error", {"code": "SESSION_BUSY", "message": "Busy."})


async def test_a_viewer_may_not_query(base_url: str, services: FakeServices):
    async with open_websocket(base_url, services.token(role="viewer")) as client:
        await client.next()
        assert (await client.send("query", message="Hello"))[1]["code"] == "FORBIDDEN"


async def test_the_active_run_can_be_interrupted(client: Client, services: FakeServices):
    await services.answer(InterruptSession, samples.session(status="active"))
    assert await client.send("interrupt") == (
        "status_change",
        {"session_id": SESSION, "run_id": None, "status": "active"},
    )


@each(("kind", "decision"), [("approve", "approved"), ("deny", "denied")])
async def test_an_approval_is_decided(client: Client, services: FakeServices, kind: str, decision: str):
    await services.answer(DecideApproval, samples.approval(status=decision))
    reply = await client.send(kind, approval_id=APPROVAL, message="Why not.")
    [command] = [message for message, _ in services.received if isinstance(message, DecideApproval)]
    assert reply == (
        "session.approval_decided",
        {"session_id": SESSION, "run_id": RUN, "status": "active", "approval_id": APPROVAL, "decision": decision},
    )
    assert (command.approval_id, command.decision, command.message) == (UUID(APPROVAL), decision, "Why not.")


async def test_a_decision_without_an_approval_id_is_an_error(client: Client):
    assert (await client.send("approve", message="Yes."))[1]["code"] == "VALIDATION_ERROR"


@each("text", ["no json", "[]", '{"type": "dance"}', '{"type": "query"}', b"\x00"])
async def test_an_invalid_message_is_an_error_and_the_stream_continues(client: Client, text: str | bytes):
    await client.socket.send(text)
    assert (await client.next())[1]["code"] == "VALIDATION_ERROR"
    assert await client.send("ping") == ("pong", {})


@each(
    ("kind", "data", "why"),
    [
        ("query", {}, "data.message: This field is required."),
        ("query", {"message": "Hello", "on_bsy": "enqueue"}, "data.on_bsy: Unknown field (did you mean `on_busy`?)."),
        ("query", {"message": 1}, "data.message: Must be a string."),
        ("approve", {"approval_id": "x"}, "data.approval_id: Must be a UUID"),
        ("dance", {}, "types are query, interrupt, approve, deny and ping."),
    ],
)
async def test_the_error_of_an_invalid_message_names_the_field(
    client: Client, kind: str, data: dict[str, object], why: str
):
    await client.socket.send(json.dumps({"type": kind, "data": data}))
    assert why in (await client.next())[1]["message"]
