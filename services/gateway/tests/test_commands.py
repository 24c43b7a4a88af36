"""What a client says over a WebSocket, and what it is answered."""

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
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services
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
    for _ in range(replay.READERS):
        await door.gateway.streams.replay.readers.acquire()
    async with talking(base_url, services.token(), "?after=0") as client:
        await client.next()
        assert await client.say("ping") == ("pong", {})
        for _ in range(replay.READERS):
            door.gateway.streams.replay.readers.release()


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


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        ("query", {}, "data.message: This field is required."),
        ("query", {"message": "Hello", "on_bsy": "enqueue"}, "data.on_bsy: Unknown field (did you mean `on_busy`?)."),
        ("query", {"message": 1}, "data.message: Must be a string."),
        ("approve", {"approval_id": "x"}, "data.approval_id: Must be a UUID"),
        ("dance", {}, "types are query, interrupt, approve, deny and ping."),
    ],
)
async def test_a_mistake_is_named(client: Client, kind: str, data: dict[str, object], why: str):
    await client.socket.send(json.dumps({"type": kind, "data": data}))
    assert why in (await client.next())[1]["message"]
