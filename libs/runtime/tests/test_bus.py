import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import nats.aio.client
import pytest
import pytest_asyncio
from contracts.messages import Accepted, Command, Faulted, Message, Query, Refused
from contracts.refusals import Code, Refusal
from nats.aio.msg import Msg
from nats.errors import Error, MaxPayloadError
from onebox.nats import EmbeddedNats
from pydantic import create_model
from runtime import bus, clock
from runtime.bus import Bus, Client, OutcomeUnknown, Unavailable
from runtime.bus.envelope import Envelope
from runtime.bus.pubsub import subscribe
from runtime.testing import background, eventually

type Script = Callable[..., Awaitable[None]]
type Respond = Callable[[Message], Awaitable[None]]


class CountCups(Query[int]):
    subject = "qry.bar.count_cups"
    sample = {"bar": "Fritz"}
    bar: str


class BrewCoffee(Command[int]):
    subject = "cmd.bar.brew_coffee"
    sample = {"bar": "Fritz"}
    bar: str


QUERY, ENVELOPE = CountCups.example(), Envelope.begin()


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    async with bus.connected(nats_url, "test") as connected:
        yield connected


@pytest.fixture
def received() -> list[Msg]:
    return []


@pytest.fixture
def respond(client: Client, received: list[Msg]) -> Respond:
    async def reply_with(reply: Message) -> None:
        async def answer(message: Msg) -> None:
            received.append(message)
            await message.respond(reply.model_dump_json().encode())

        await subscribe(client, CountCups.subject, answer)

    return reply_with


async def ask(client: Client, within: float = 60.0) -> int:
    return await Bus(client, timeout=within).ask(QUERY, ENVELOPE)


async def test_an_accepted_query_returns_its_result_also_of_a_newer_release(client: Client, respond: Respond) -> None:
    await respond(create_model("Newer", __base__=Accepted[int], new_field=(int, 90))(result=7))
    assert await ask(client) == 7


async def test_a_refused_query_raises_the_refusal(client: Client, respond: Respond) -> None:
    await respond(Refused(code=Code.SESSION_BUSY, detail="Later."))
    with pytest.raises(Refusal) as refusal:
        await ask(client)
    assert (refusal.value.code, refusal.value.detail) == (Code.SESSION_BUSY, "Later.")


async def test_a_fault_raises_unavailable(client: Client, respond: Respond) -> None:
    await respond(Faulted(detail="The kitchen is closed."))
    with pytest.raises(Unavailable, match="The kitchen is closed"):
        await ask(client)


async def test_an_invalid_answer_raises_unavailable_without_its_content(client: Client, respond: Respond) -> None:
    await respond(Accepted[str](result="secret"))
    with pytest.raises(Unavailable, match="the answer is not valid") as unavailable:
        await ask(client)
    assert "secret" not in str(unavailable.value)


@pytest.fixture
def script(client: Client, received: list[Msg]) -> Script:
    async def reply_with(kind: type[CountCups | BrewCoffee], *replies: Message | None) -> None:
        """Answer each message with the next of the replies; leave it unanswered if that is None."""

        async def answer(message: Msg) -> None:
            received.append(message)
            if reply := replies[len(received) - 1]:
                await message.respond(reply.model_dump_json().encode())

        await subscribe(client, kind.subject, answer)

    return reply_with


@pytest.mark.parametrize("first", [None, Faulted(detail="The kitchen is closed.")])
async def test_a_query_that_one_replica_does_not_answer_is_sent_to_another(
    client: Client, script: Script, received: list[Msg], first: Message | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "RETRY_AFTER", 0.005)
    await script(CountCups, first, Accepted[int](result=7))
    assert (await ask(client, within=60), len(received)) == (7, 2)


async def test_a_late_answer_to_the_first_attempt_is_used(
    client: Client, received: list[Msg], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "RETRY_AFTER", 0.005)

    async def answer(message: Msg) -> None:
        received.append(message)
        if len(received) == 2:
            await received[0].respond(Accepted[int](result=7).model_dump_json().encode())

    await subscribe(client, CountCups.subject, answer)
    assert await ask(client, within=60) == 7


@pytest.mark.parametrize("first", [None, Faulted(detail="The kitchen is closed.")])
async def test_a_failed_command_is_not_sent_again(
    client: Client, script: Script, received: list[Msg], first: Message | None
) -> None:
    await script(BrewCoffee, first, Accepted[int](result=7))
    with pytest.raises(Unavailable):
        await Bus(client, timeout=0.5).ask(BrewCoffee.example(), ENVELOPE)
    await eventually(lambda: received)
    assert len(received) == 1


async def test_an_invalid_answer_to_a_command_raises_outcome_unknown(client: Client, script: Script) -> None:
    await script(BrewCoffee, Accepted[str](result="secret"))
    with pytest.raises(OutcomeUnknown, match="the answer is not valid"):
        await Bus(client, timeout=60).ask(BrewCoffee.example(), ENVELOPE)


async def test_a_query_without_responders_fails_immediately(client: Client) -> None:
    with pytest.raises(Unavailable, match="NoResponders"):
        await ask(client, within=60)


async def test_an_unanswered_query_times_out(client: Client) -> None:
    await subscribe(client, CountCups.subject)
    with pytest.raises(Unavailable, match="Timeout"):
        await ask(client, within=0.05)


async def test_a_query_that_is_too_large_fails_and_keeps_the_connection(client: Client) -> None:
    query = CountCups(bar="x" * (client.max_payload - 60))  # too large with its headers
    with pytest.raises(Unavailable, match="MaxPayload"):
        await Bus(client).ask(query, ENVELOPE)
    await client.flush(60)


async def test_a_connection_closed_by_the_server_is_detected(client: Client) -> None:
    await nats.aio.client.Client.publish(client, "large", b"x" * client.max_payload, headers={"one": "too many"})
    with pytest.raises(Unavailable, match="maximum payload violation"):
        await bus.wait_until_closed(client)
    with pytest.raises(Unavailable, match="ConnectionClosed"):
        await ask(client)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let publishing to a bus that does not read end soon; has to be used before `client`."""
    monkeypatch.setattr(bus, "FLUSH_TIMEOUT", 0.5)


@pytest.fixture
def stopped_server(impatient: None, client: Client, nats_server: EmbeddedNats) -> Generator[None]:
    assert client.is_connected
    assert nats_server.child.pid
    os.kill(nats_server.child.pid, signal.SIGSTOP)
    yield
    os.kill(nats_server.child.pid, signal.SIGCONT)


@pytest.mark.usefixtures("stopped_server")
async def test_a_query_to_a_stopped_bus_times_out(client: Client) -> None:
    async with background(_fail_to_ask(client)) as [asking]:
        await eventually(asking.done)


async def _fail_to_ask(client: Client) -> None:
    with pytest.raises(Unavailable):
        await Bus(client, timeout=0.1).ask(CountCups(bar="x" * (client.max_payload - 1000)), ENVELOPE)


@pytest.mark.usefixtures("stopped_server")
async def test_publishing_to_a_stopped_bus_times_out(client: Client) -> None:
    async with background(client.publish("large", b"x" * client.max_payload)) as [publishing]:
        await eventually(publishing.done)


@pytest.mark.parametrize(("headers", "size"), [(None, 0), ({"a": "b"}, len("NATS/1.0\r\na: b\r\n\r\n"))])
async def test_a_message_of_maximum_size_is_sent_and_a_larger_one_is_not(
    client: Client, headers: dict[str, str] | None, size: int
) -> None:
    subscription, max_size = await subscribe(client, "large"), client.max_payload - size
    await client.publish("large", b"x" * max_size, headers=headers)
    assert len((await subscription.next_msg(60)).data) == max_size
    with pytest.raises(MaxPayloadError):
        await client.publish("large", b"x" * (max_size + 1), headers=headers)


async def test_the_service_receives_query_envelope_and_deadline(
    client: Client, respond: Respond, received: list[Msg]
) -> None:
    await respond(Accepted[int](result=7))
    await ask(client)
    assert CountCups.model_validate_json(received[0].data) == QUERY
    envelope = Envelope.from_headers(received[0].headers)
    assert envelope.message_id == ENVELOPE.message_id
    assert envelope.deadline is not None
    assert envelope.deadline <= clock.now() + timedelta(seconds=60)


@pytest.mark.parametrize("correlation_id", ["Grüße", "a b", "x\r\nactor: 0197a1f0-0000-7000-8000-000000000001 admin"])
async def test_a_correlation_id_cannot_inject_headers(client: Client, correlation_id: str) -> None:
    subscription = await subscribe(client, "anything")
    headers: dict[str, Any] = Envelope.begin(correlation_id=correlation_id).headers()
    await client.publish("anything", headers=headers)
    envelope = Envelope.from_headers((await subscription.next_msg(60)).headers)
    assert envelope.correlation_id == correlation_id.replace("\r\n", "  ")
    assert envelope.actor is None


async def test_queries_work_again_after_the_bus_restarted(
    client: Client, respond: Respond, nats_server: EmbeddedNats
) -> None:
    await respond(Accepted[int](result=7))
    nats_server.child.ask_to_stop()
    nats_server.child.finish()
    with pytest.raises(Unavailable):
        await ask(client, within=0.05)
    nats_server.start()
    await eventually(lambda: client.is_connected)
    assert await ask(client) == 7


async def test_the_health_check_fails_while_the_bus_is_down(client: Client, nats_server: EmbeddedNats) -> None:
    await eventually(lambda: _is_healthy(client))
    nats_server.child.ask_to_stop()
    nats_server.child.finish()
    await eventually(lambda: not client.is_connected)
    with pytest.raises(Unavailable, match="not connected"):
        await Bus(client).check()


async def _is_healthy(client: Client) -> bool:
    with suppress(Error):  # a busy machine may delay the answer for longer than a check waits
        await Bus(client).check()
        return True
    return False


async def test_a_flushed_subscription_is_active(nats_url: str, client: Client) -> None:
    async def answer(message: Msg) -> None:
        await message.respond(b"here")

    async with bus.connected(nats_url, "responder") as responder:
        for number in range(300):  # 1 in 12 was not active while a flush did not wait for earlier commands
            await subscribe(responder, f"qry.flushed.{number}", answer)
            await responder.flush()
            assert (await client.request(f"qry.flushed.{number}", timeout=60)).data == b"here"


async def test_answers_arrive_after_a_flush_that_was_cancelled(client: Client, respond: Respond) -> None:
    async with background(client.flush()):
        await asyncio.sleep(0)  # the ping is sent
    await respond(Accepted(result=7))
    assert await ask(client) == 7


async def test_connecting_times_out_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "CONNECT_TIMEOUT", 0.2)
    with pytest.raises(TimeoutError):
        async with bus.connected("nats://127.0.0.1:1", "test"):
            pass


async def test_an_error_inside_the_context_is_not_wrapped(nats_url: str) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with bus.connected(nats_url, "test"):
            raise LookupError("mine")
