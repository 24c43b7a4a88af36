"""Programs receive what they may, where they were, until they are disconnected."""

# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from contracts.wire import PUBLIC_STREAM
from nats.aio.client import Client as NatsClient
from nats.js.errors import APIError
from runtime.bus import program_connections
from runtime.bus.accounts import DISCONNECT
from runtime.bus.gatekeeper import Retention
from runtime.bus.nkeys import USER, KeyPair
from runtime.clock import now
from runtime.testing import eventually

from libs.runtime.tests.programs import ADA, BOB, Desk, Program, admission


async def test_a_program_receives_the_events_of_its_owner_only(desk: Desk) -> None:
    program = await desk.program(ADA)
    await desk.publish(BOB, "of bob")
    await desk.publish(ADA, "of ada")
    assert await program.events() == ["of ada"]


async def test_a_program_may_receive_the_events_of_all_users(desk: Desk) -> None:
    program = await desk.program(None)
    await desk.publish(BOB, "of bob")
    await desk.publish(ADA, "of ada")
    assert {"of bob", "of ada"} <= {*await program.events(2)}


async def test_a_program_that_is_disconnected_is_refused_and_receives_nothing(desk: Desk) -> None:
    program = await desk.program(ADA)
    del desk.known[program.key.public]
    await desk.connections.end(program.admission.consumer)
    await eventually(lambda: _now("disconnected" in program.happened))
    assert await desk.refused(program)


async def _now(value: bool) -> bool:
    return value


async def test_another_program_stays_when_one_is_disconnected(desk: Desk) -> None:
    gone, stays = await desk.program(ADA), await desk.program(ADA)
    await desk.connections.end(gone.admission.consumer)
    await desk.publish(ADA, "later")
    assert "later" in await stays.events()


async def test_a_program_reads_on_where_it_was_after_another_connection(desk: Desk) -> None:
    program = await desk.program(ADA)
    await desk.publish(ADA, "first")
    assert "first" in await program.events()
    again = replace(program, client=NatsClient())
    desk.stack.push_async_callback(again.client.close)
    await again.connect(desk.server)
    await desk.publish(ADA, "second")
    assert await again.events() == ["second"]


async def test_a_program_begins_again_at_another_time(desk: Desk) -> None:
    program = await desk.program(ADA)
    await desk.publish(ADA, "first")
    before = await program.events()
    earlier = replace(program.admission, since=program.admission.since - timedelta(hours=1))
    desk.known[program.key.public] = earlier
    await desk.connections.end(earlier.consumer)
    again = Program(program.key, earlier)
    desk.stack.push_async_callback(again.client.close)
    await again.connect(desk.server)
    assert await again.events() == before


async def test_a_program_keeps_its_place_if_its_consumer_cannot_be_checked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = await desk.program(ADA)

    async def fail(*_: object) -> None:
        raise APIError(code=503, err_code=10008, description="system temporarily unavailable")

    monkeypatch.setattr(desk.gatekeeper._js, "add_consumer", fail)
    assert await desk.refused(program)
    assert await desk.has_consumer(program.admission)


async def test_a_consumer_lasts_as_long_as_events_are_kept(desk: Desk) -> None:
    kept = (await desk.operator.stream_info(PUBLIC_STREAM)).config.max_age
    desk.gatekeeper._retention = Retention(60, 2**24)  # what the stream had before the operator changed it
    program = await desk.program(ADA)
    info = await desk.operator.consumer_info(PUBLIC_STREAM, program.admission.consumer)
    assert info.config.inactive_threshold == kept


async def test_nobody_is_connected_only_if_a_server_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.connections.end("nobody")
    server = desk.client._server_info["server_id"]
    monkeypatch.setattr(program_connections, "CONNECTIONS", f"{DISCONNECT}.{server}")  # answers with an error
    monkeypatch.setattr(program_connections, "FIRST_ANSWER_SECONDS", 0.1)
    with pytest.raises(TimeoutError):
        await desk.connections.end("nobody")


async def test_nobody_is_connected_where_nats_has_no_account_for_programs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_connections, "CONNECTIONS", f"{DISCONNECT}.nowhere")
    await desk.connections.end("nobody")


@pytest.mark.parametrize(("seconds", "answers"), [(-1, 0), (60, 1)])
async def test_requests_that_have_expired_are_not_answered(desk: Desk, seconds: int, answers: int) -> None:
    request = {"user_nkey": "U", "server_id": {"id": "N"}, "connect_opts": {}, "client_info": {}}
    expires = int(now().timestamp()) + seconds
    message: Any = Question(KeyPair.new(USER).token({"exp": expires, "nats": request}, 0).encode())
    await desk.gatekeeper._answer(message)
    assert len(message.answers) == answers


@dataclass
class Question:
    """A message of the server."""

    data: bytes
    answers: list[bytes] = field(default_factory=list[bytes])

    async def respond(self, data: bytes) -> None:
        self.answers.append(data)


async def test_a_permission_that_ends_during_the_admission_is_not_given(desk: Desk) -> None:
    found = admission(ADA)
    desk.answers([found, None])
    assert await desk.refused(Program(KeyPair.new(USER), found))
    assert not await desk.has_consumer(found)


async def test_a_start_that_changes_during_the_admission_is_the_one_in_force(desk: Desk) -> None:
    found = admission(ADA)
    changed = replace(found, since=found.since + timedelta(minutes=1))
    desk.answers([found, changed, changed])
    assert not await desk.refused(Program(KeyPair.new(USER), found))
    assert await desk.has_consumer(changed)
