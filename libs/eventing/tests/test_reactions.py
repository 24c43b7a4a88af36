"""Reactions that one replica acts on: what becomes of a fact."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

from typing import Any, cast

import asyncpg
import pytest
from contracts.messages import Actor
from eventing import patience
from eventing import reactions as module
from eventing.dispatch import ATTEMPTS
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.reactions import Listed, Reaction, Reactions, TakenOver
from eventing.recording import Recorded
from eventing.store import START, Conflict
from eventing.streams import DEAD_LETTERS, provision
from eventing.testing import eventually
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, AddMarble, GetJar, JarOpened, JarView, MarbleAdded, OpenJar
from eventing.testing.publishing import publish
from eventing.testing.reacting import Acting, Away, replica, working
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from runtime.envelope import Envelope

ADA = Actor(user_id=JAR, role="user")
OPENED = JarOpened.example()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.01)
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0, 0.0))


async def fail(*_: object) -> None:
    raise LookupError("no marbles left")


async def settled(js: JetStreamContext) -> bool:
    """Whether nothing is left to act on."""
    try:
        info = await js.consumer_info("EVT_JAR", "jar-open")
    except NotFoundError:
        return False
    return not info.num_pending and not info.num_ack_pending


async def dead(js: JetStreamContext) -> int:
    return (await js.stream_info(DEAD_LETTERS)).state.messages


def test_a_reaction_is_listed_under_its_name_for_the_fact_that_it_takes() -> None:
    reactions = Reactions()

    @reactions.once(at_once=3)
    async def open_it(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    @reactions.everywhere
    async def tell_all(recorded: Recorded[MarbleAdded], reaction: Reaction[None]) -> None: ...

    assert reactions.shared == [Listed("open_it", JarOpened, open_it, 3)]
    assert reactions.broadcast == [Listed("tell_all", MarbleAdded, tell_all, 1)]


async def test_each_fact_is_acted_on_once_over_two_replicas(
    client: Client, other_client: Client, js: JetStreamContext
) -> None:
    acting = Acting()
    sent = [await publish(js, OPENED) for _ in range(20)]
    async with working((replica(client), acting), (replica(other_client), acting)):
        sent += [await publish(js, OPENED) for _ in range(20)]
        await eventually(lambda: len(acting.seen) >= 40)
        await eventually(lambda: settled(js))
    assert sorted(acting.seen, key=lambda r: r.id) == sorted(sent, key=lambda r: r.id)


async def test_other_facts_are_not_its_business(client: Client, js: JetStreamContext) -> None:
    acting = Acting()
    await publish(js, MarbleAdded.example())
    sent = await publish(js, OPENED)
    async with working((replica(client), acting)):
        await eventually(lambda: acting.seen)
    assert acting.seen == [sent]


async def test_a_reaction_has_tools_and_sends_commands_because_of_the_fact(
    client: Client, js: JetStreamContext
) -> None:
    envelopes: list[Envelope] = []
    commands = Handlers()

    @commands
    async def add(command: AddMarble, work: UnitOfWork[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        envelopes.append(work.envelope)
        return len(work.tools)

    async def send(_: Recorded[Any], reaction: Reaction[str]) -> None:
        assert await reaction.send(AddMarble.example()) == len("a tool")

    fact = await publish(js, OPENED, envelope=Envelope.begin(correlation_id="story", actor=ADA))
    async with working((replica(client, commands), Acting(send))):
        [envelope] = await eventually(lambda: envelopes)
    assert (envelope.causation_id, envelope.correlation_id) == (fact.envelope.message_id, "story")
    assert envelope.actor == ADA


async def test_a_command_is_sent_again_while_the_database_is_away_and_carried_out_once(
    client: Client, js: JetStreamContext
) -> None:
    commands, tries = Handlers(), list[int]()

    @commands
    async def open_it(command: AddMarble, work: UnitOfWork[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionRefusedError
        jar = Jar(command.jar_id)
        jar.record(OPENED)
        await work.save(jar)
        if len(tries) == 3:
            raise ConnectionResetError  # stored, and the answer is lost
        return 0

    acting, reactor = Acting(_add), replica(client, commands)
    await publish(js, OPENED)
    async with working((reactor, acting)):
        await eventually(lambda: settled(js))
    assert len(tries) == 4
    assert len(acting.seen) == len(await reactor.dispatcher.store.feed(START, 10)) == 1


async def _add(_: Recorded[Any], reaction: Reaction[str]) -> None:
    await reaction.send(AddMarble.example())


async def test_while_the_database_is_away_a_fact_that_failed_is_kept_in_hand(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERIES", 2)
    database, acting = Away(checks=10**6), Acting(fail)
    await publish(js, OPENED)
    async with working((replica(client, database=database), acting)):
        await eventually(lambda: database.checks < 10**6)
        assert len(acting.seen) == 1
        database.checks = 0
        await eventually(lambda: len(acting.seen) == 2)


async def test_what_failed_is_tried_again(client: Client, js: JetStreamContext) -> None:
    async def fail_at_first(*_: object) -> None:
        if len(acting.seen) < 3:
            raise LookupError

    acting = Acting(fail_at_first)
    await publish(js, OPENED)
    async with working((replica(client), acting)):
        await eventually(lambda: len(acting.seen) == 3)
        await eventually(lambda: settled(js))
    assert await dead(js) == 0


async def test_what_fails_every_time_is_dead_lettered_with_the_reason(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERIES", 3)
    acting = Acting(fail)
    fact = await publish(js, OPENED, at=JAR)
    async with working((replica(client), acting)):
        await eventually(lambda: dead(js))
        await eventually(lambda: settled(js))
    letter = await js.get_msg(DEAD_LETTERS, seq=1)
    assert (letter.subject, letter.data) == ("dead.jar.open", OPENED.model_dump_json().encode())
    headers = cast(dict[str, str], letter.headers)
    assert headers["dead-reason"] == "LookupError('no marbles left')"
    assert headers["dead-subject"] == f"evt.jar.opened.{JAR}.{JAR}"
    assert headers["ce-id"] == str(fact.envelope.message_id)
    assert len(acting.seen) == 3


async def test_a_fact_at_which_the_service_goes_down_every_time_is_dead_lettered(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERIES", 1)
    acting = Acting.waiting()
    await publish(js, OPENED)
    async with working((replica(client), acting)):
        await eventually(lambda: acting.seen)
    async with working((replica(client), acting)):
        await eventually(lambda: dead(js))
    assert len(acting.seen) == 1


async def test_a_fact_that_cannot_be_read_is_dead_lettered(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERIES", 2)
    acting = Acting()
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json")
    sent = await publish(js, OPENED)
    async with working((replica(client), acting)):
        await eventually(lambda: dead(js))
        await eventually(lambda: settled(js))
    assert acting.seen == [sent]


async def test_while_dead_letters_cannot_be_stored_the_work_on_others_goes_on(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERIES", 1)
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)

    async def fail_at_marked(recorded: Recorded[JarOpened], _: object) -> None:
        if recorded.fact.label == "bad":
            raise LookupError

    await js.delete_stream(DEAD_LETTERS)
    acting = Acting(fail_at_marked)
    async with working((replica(client), acting)):
        await publish(js, JarOpened(label="bad"))
        await eventually(lambda: acting.seen)
        sent = await publish(js, OPENED)
        await eventually(lambda: acting.seen[-1] == sent)
        await provision(js, DEAD_LETTERS, ["dead.>"])
        await eventually(lambda: dead(js))


async def test_an_unknown_command_of_a_reaction_fails_it(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(_: Recorded[Any], reaction: Reaction[str]) -> None:
        await reaction.send(OpenJar.example())

    monkeypatch.setattr(module, "DELIVERIES", 1)
    await publish(js, OPENED)
    async with working((replica(client), Acting(send))):
        await eventually(lambda: dead(js))


async def test_what_another_replica_acts_on_is_neither_acknowledged_nor_given_back(
    client: Client, js: JetStreamContext
) -> None:
    async def find_another(*_: object) -> None:
        raise TakenOver

    acting, reactor = Acting(find_another), replica(client)
    await publish(js, OPENED)
    async with working((reactor, acting)):
        await eventually(lambda: acting.seen and not reactor.in_hand)
        await client.flush()
        info = await js.consumer_info("EVT_JAR", "jar-open")
        assert (info.num_ack_pending, info.num_pending, len(acting.seen)) == (1, 0, 1)


async def test_a_fact_that_is_given_up_is_lost_first_and_that_is_tried_until_it_succeeds(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERIES", 1)
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)
    told: list[tuple[Recorded[Any], int]] = []

    async def lose(recorded: Recorded[Any], _: object) -> None:
        told.append((recorded, await dead(js)))
        if len(told) < 3:
            raise LookupError

    acting = Acting(fail)
    acting.lost = lose
    fact = await publish(js, OPENED)
    async with working((replica(client), acting)):
        await eventually(lambda: dead(js))
        await eventually(lambda: settled(js))
    assert (told, len(acting.seen)) == ([(fact, 0)] * 3, 1)


async def test_a_fact_that_cannot_be_read_is_dead_lettered_though_nobody_can_be_told_of_it(
    client: Client, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELIVERIES", 1)
    acting = Acting()
    acting.lost = fail
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json")
    async with working((replica(client), acting)):
        await eventually(lambda: dead(js))


async def test_a_command_that_others_were_always_faster_than_is_sent_again(
    client: Client, js: JetStreamContext
) -> None:
    commands, tries = Handlers(), list[int]()

    @commands
    async def add(command: AddMarble, work: UnitOfWork[str]) -> int:  # pyright: ignore[reportUnusedFunction]
        tries.append(1)
        if len(tries) <= ATTEMPTS:
            raise Conflict
        return 0

    acting = Acting(_add)
    await publish(js, OPENED)
    async with working((replica(client, commands), acting)):
        await eventually(lambda: settled(js))
    assert (len(tries), len(acting.seen)) == (ATTEMPTS + 1, 1)


async def test_a_query_is_asked_again_while_the_database_is_away(client: Client, js: JetStreamContext) -> None:
    answers, tries = Handlers(), list[int]()

    @answers
    async def get(query: GetJar, _: QueryContext[str]) -> JarView:  # pyright: ignore[reportUnusedFunction]
        tries.append(1)
        if len(tries) < 3:
            raise asyncpg.TooManyConnectionsError
        return JarView(id=query.jar_id, label="", marbles=0)

    async def ask(_: Recorded[Any], reaction: Reaction[str]) -> None:
        await reaction.ask(GetJar.example())

    acting, reactor = Acting(ask), replica(client)
    reactor.dispatcher.queries = answers
    await publish(js, OPENED)
    async with working((reactor, acting)):
        await eventually(lambda: settled(js))
    assert (len(tries), len(acting.seen)) == (3, 1)
