import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from datetime import timedelta
from typing import Any

import nats.aio.client
import pytest
import pytest_asyncio
from contracts.messages import Accepted, Command, Faulted, Message, Query, Refused
from contracts.refusals import Code, Refusal
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError
from onebox.nats import EmbeddedNats
from runtime import bus, clock
from runtime.bus import Bus, Client, OutcomeUnknown, Unavailable
from runtime.envelope import Envelope
from runtime.pubsub import subscribe
from runtime.testing import background, eventually

type Answering = Callable[..., Awaitable[None]]
type Respond = Callable[[Message], Awaitable[None]]


class CountCups(Query[int]):
    subject = "qry.bar.count_cups"
    sample = {"bar": "Fritz"}
    bar: str


class BrewCoffee(Command[int]):
    subject = "cmd.bar.brew_coffee"
    sample = {"bar": "Fritz"}
    bar: str


ASKED, ENVELOPE = CountCups.example(), Envelope.begin()


@pytest_asyncio.fixture
async def client(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Client]:
    monkeypatch.setattr(bus, "FLUSH_TIMEOUT", 0.5)
    async with bus.connected(nats_url, "test") as connected:
        yield connected


@pytest.fixture
def heard() -> list[Msg]:
    return []


@pytest.fixture
def respond(client: Client, heard: list[Msg]) -> Respond:
    async def with_(reply: Message) -> None:
        async def answer(message: Msg) -> None:
            heard.append(message)
            await message.respond(reply.model_dump_json().encode())

        await subscribe(client, CountCups.subject, answer)

    return with_


async def ask(client: Client, within: float = 5.0) -> int:
    return await Bus(client, timeout=within).ask(ASKED, ENVELOPE)


async def test_an_accepted_question_gives_its_result(client: Client, respond: Respond) -> None:
    await respond(Accepted[int](result=7))
    assert await ask(client) == 7


async def test_a_refused_question_raises_the_refusal(client: Client, respond: Respond) -> None:
    await respond(Refused(code=Code.SESSION_BUSY, detail="Later."))
    with pytest.raises(Refusal) as refusal:
        await ask(client)
    assert (refusal.value.code, refusal.value.detail) == (Code.SESSION_BUSY, "Later.")


async def test_a_fault_means_not_now(client: Client, respond: Respond) -> None:
    await respond(Faulted(detail="The kitchen is closed."))
    with pytest.raises(Unavailable, match="The kitchen is closed"):
        await ask(client)


async def test_an_answer_that_cannot_be_read_means_not_now_and_is_not_repeated(
    client: Client, respond: Respond
) -> None:
    await respond(Accepted[str](result="secret"))
    with pytest.raises(Unavailable, match="cannot be read") as unavailable:
        await ask(client)
    assert "secret" not in str(unavailable.value)


@pytest.fixture
def answering(client: Client, heard: list[Msg]) -> Answering:
    async def with_(kind: type[CountCups | BrewCoffee], *replies: Message | None) -> None:
        """Answer the first message with the first reply, and so on; with None not at all."""

        async def answer(message: Msg) -> None:
            heard.append(message)
            if reply := replies[len(heard) - 1]:
                await message.respond(reply.model_dump_json().encode())

        await subscribe(client, kind.subject, answer)

    return with_


@pytest.mark.parametrize("first", [None, Faulted(detail="The kitchen is closed.")])
async def test_a_question_that_one_replica_does_not_answer_is_put_to_another(
    client: Client, answering: Answering, heard: list[Msg], first: Message | None
) -> None:
    await answering(CountCups, first, Accepted[int](result=7))
    assert (await ask(client, within=1), len(heard)) == (7, 2)


async def test_the_first_answer_counts_also_when_it_is_late(client: Client, heard: list[Msg]) -> None:
    async def answer(message: Msg) -> None:
        heard.append(message)
        if len(heard) == 2:
            await heard[0].respond(Accepted[int](result=7).model_dump_json().encode())

    await subscribe(client, CountCups.subject, answer)
    assert await ask(client, within=1) == 7


@pytest.mark.parametrize("first", [None, Faulted(detail="The kitchen is closed.")])
async def test_a_command_is_sent_once(
    client: Client, answering: Answering, heard: list[Msg], first: Message | None
) -> None:
    await answering(BrewCoffee, first, Accepted[int](result=7))
    with pytest.raises(Unavailable):
        await Bus(client, timeout=0.5).ask(BrewCoffee.example(), ENVELOPE)
    assert len(heard) == 1


async def test_a_command_whose_answer_cannot_be_read_may_have_been_carried_out(
    client: Client, answering: Answering
) -> None:
    await answering(BrewCoffee, Accepted[str](result="secret"))
    with pytest.raises(OutcomeUnknown, match="cannot be read"):
        await Bus(client).ask(BrewCoffee.example(), ENVELOPE)


async def test_nobody_there_means_not_now_at_once(client: Client) -> None:
    with pytest.raises(Unavailable, match="NoResponders"):
        await ask(client, within=60)


async def test_silence_means_not_now_when_the_time_is_over(client: Client) -> None:
    await subscribe(client, CountCups.subject)
    with pytest.raises(Unavailable, match="Timeout"):
        await ask(client, within=0.05)


async def test_a_question_too_large_means_not_now_and_the_connection_stays(client: Client) -> None:
    question = CountCups(bar="x" * (client.max_payload - 60))  # with its headers it is too large
    with pytest.raises(Unavailable, match="MaxPayload"):
        await Bus(client).ask(question, ENVELOPE)
    await Bus(client).check()


async def test_a_connection_that_the_server_ended_is_noticed(client: Client) -> None:
    await nats.aio.client.Client.publish(client, "large", b"x" * client.max_payload, headers={"one": "too many"})
    with pytest.raises(Unavailable, match="maximum payload violation"):
        await bus.as_long_as_connected(client)
    with pytest.raises(Unavailable, match="ConnectionClosed"):
        await ask(client)


@pytest.fixture
def standing_still(client: Client, nats_server: EmbeddedNats) -> Generator[None]:
    assert client.is_connected
    assert nats_server.child.pid
    os.kill(nats_server.child.pid, signal.SIGSTOP)
    yield
    os.kill(nats_server.child.pid, signal.SIGCONT)


@pytest.mark.usefixtures("standing_still")
async def test_a_bus_that_stands_still_does_not_hold_up_whoever_asks(client: Client) -> None:
    async with background(_in_vain(client)) as [asking]:
        await eventually(asking.done, within=3)


async def _in_vain(client: Client) -> None:
    with pytest.raises(Unavailable):
        await Bus(client, timeout=0.1).ask(CountCups(bar="x" * (client.max_payload - 1000)), ENVELOPE)


@pytest.mark.usefixtures("standing_still")
async def test_a_bus_that_stands_still_does_not_hold_up_whoever_publishes(client: Client) -> None:
    async with background(client.publish("large", b"x" * client.max_payload)) as [publishing]:
        await eventually(publishing.done, within=3)


@pytest.mark.parametrize(("headers", "size"), [(None, 0), ({"a": "b"}, len("NATS/1.0\r\na: b\r\n\r\n"))])
async def test_the_largest_message_gets_through_and_a_larger_one_is_not_sent(
    client: Client, headers: dict[str, str] | None, size: int
) -> None:
    subscription, largest = await subscribe(client, "large"), client.max_payload - size
    await client.publish("large", b"x" * largest, headers=headers)
    assert len((await subscription.next_msg(5)).data) == largest
    with pytest.raises(MaxPayloadError):
        await client.publish("large", b"x" * (largest + 1), headers=headers)


async def test_the_service_learns_the_question_the_envelope_and_the_deadline(
    client: Client, respond: Respond, heard: list[Msg]
) -> None:
    await respond(Accepted[int](result=7))
    await ask(client)
    assert CountCups.model_validate_json(heard[0].data) == ASKED
    got = Envelope.read(heard[0].headers)
    assert got.message_id == ENVELOPE.message_id
    assert got.deadline is not None
    assert got.deadline <= clock.now() + timedelta(seconds=5)


@pytest.mark.parametrize("correlation_id", ["Grüße", "a b", "x\r\nactor: 0197a1f0-0000-7000-8000-000000000001 admin"])
async def test_a_correlation_id_cannot_disturb_the_other_headers(client: Client, correlation_id: str) -> None:
    subscription = await subscribe(client, "anything")
    headers: dict[str, Any] = Envelope.begin(correlation_id=correlation_id).headers()
    await client.publish("anything", headers=headers)
    got = Envelope.read((await subscription.next_msg(5)).headers)
    assert got.correlation_id == correlation_id.replace("\r\n", "  ")
    assert got.actor is None


async def test_a_bus_that_went_away_and_came_back_is_used_again(
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


async def test_a_check_fails_while_the_bus_is_away(client: Client, nats_server: EmbeddedNats) -> None:
    await Bus(client).check()
    nats_server.child.ask_to_stop()
    nats_server.child.finish()
    await eventually(lambda: not client.is_connected)
    with pytest.raises(Unavailable, match="not connected"):
        await Bus(client).check()


async def test_connecting_gives_up_when_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "CONNECT_TIMEOUT", 0.2)
    with pytest.raises(TimeoutError):
        async with bus.connected("nats://127.0.0.1:1", "test"):
            pass


async def test_an_error_inside_the_connection_comes_out_as_it_is(nats_url: str) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with bus.connected(nats_url, "test"):
            raise LookupError("mine")
