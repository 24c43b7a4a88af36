"""Reactions that one replica acts on: what becomes of an event."""

from typing import Any

import pytest
from contracts.messages import Actor
from contracts.wire import DEAD_LETTERS
from eventing import reactions as module
from eventing import retrying
from eventing.message_lease import MessageLease
from eventing.reactions import Reaction, Reactions, Registration, TakenOver
from eventing.recording import Recorded
from eventing.streams import provision
from eventing.testing import eventually
from eventing.testing.messages import JAR, JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, UnavailableDatabase, replica, working
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.jetstream import JetStream, headers_of

ADA = Actor(user_id=JAR, role="user")
OPENED = JarOpened.example()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.01)
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0, 0.0))


async def fail(*_: object) -> None:
    raise LookupError("no marbles left")


async def settled(js: JetStream) -> bool:
    """Whether nothing is left to act on."""
    try:
        info = await js.consumer_info("EVT_JAR", "shelf-open")
    except NotFoundError:
        return False
    return not info.num_pending and not info.num_ack_pending


async def dead(js: JetStream) -> int:
    return (await js.stream_info(DEAD_LETTERS)).state.messages


def test_a_reaction_is_listed_under_its_name_for_the_event_that_it_takes() -> None:
    reactions = Reactions()

    @reactions.shared("open_it", concurrency=3)
    async def open_it(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    @reactions.broadcast("tell_all")
    async def tell_all(recorded: Recorded[MarbleAdded], reaction: Reaction[None]) -> None: ...

    assert reactions.delivered("shared") == [Registration("open_it", JarOpened, open_it, 3)]
    assert reactions.delivered("broadcast") == [Registration("tell_all", MarbleAdded, tell_all, delivery="broadcast")]


def test_two_shared_reactions_to_one_kind_of_event_are_refused() -> None:
    reactions = Reactions()

    @reactions.shared("one")
    async def one(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    @reactions.shared("other")
    async def other(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    assert reactions.work_of("shelf") == {}
    with pytest.raises(ValueError, match="for the same kind of event"):
        reactions.work_of("jar")


async def test_each_event_is_acted_on_once_over_two_replicas(
    client: Client, other_client: Client, js: JetStream
) -> None:
    spy = ReactionSpy()
    sent = [await publish(js, OPENED) for _ in range(20)]
    async with working((replica(client), spy), (replica(other_client), spy)):
        sent += [await publish(js, OPENED) for _ in range(20)]
        await eventually(lambda: len(spy.seen) >= 40)
        await eventually(lambda: settled(js))
    assert sorted(spy.seen, key=lambda r: r.id) == sorted(sent, key=lambda r: r.id)


async def test_other_events_are_not_its_business(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    await publish(js, MarbleAdded.example())
    sent = await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
    assert spy.seen == [sent]


async def test_while_the_database_is_away_an_event_that_failed_is_kept_in_hand(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 2)
    database, spy = UnavailableDatabase(checks=10**6), ReactionSpy(fail)
    await publish(js, OPENED)
    async with working((replica(client, database=database), spy)):
        await eventually(lambda: database.checks < 10**6)
        assert len(spy.seen) == 1
        database.checks = 0
        await eventually(lambda: len(spy.seen) == 2)


async def test_what_failed_is_tried_again(client: Client, js: JetStream) -> None:
    async def fail_at_first(*_: object) -> None:
        if len(spy.seen) < 3:
            raise LookupError

    spy = ReactionSpy(fail_at_first)
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: len(spy.seen) == 3)
        await eventually(lambda: settled(js))
    assert await dead(js) == 0


async def test_what_fails_every_time_is_dead_lettered_with_the_reason(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 3)
    spy = ReactionSpy(fail)
    event = await publish(js, OPENED, at=JAR)
    async with working((replica(client), spy)):
        await eventually(lambda: dead(js))
        await eventually(lambda: settled(js))
    letter = await js.get_msg(DEAD_LETTERS, seq=1)
    assert (letter.subject, letter.data) == ("dead.shelf.open", OPENED.model_dump_json().encode())
    headers = headers_of(letter)
    assert headers["dead-reason"] == "LookupError('no marbles left')"
    assert headers["dead-subject"] == f"evt.jar.opened.{JAR}.{JAR}"
    assert headers["ce-id"] == str(event.envelope.message_id)
    assert len(spy.seen) == 3


async def test_an_event_at_which_the_service_goes_down_every_time_is_dead_lettered(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    spy = ReactionSpy.waiting()
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
    async with working((replica(client), spy)):
        await eventually(lambda: dead(js))
    assert len(spy.seen) == 1


async def test_an_event_that_cannot_be_read_is_dead_lettered(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 2)
    spy = ReactionSpy()
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json")
    sent = await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: dead(js))
        await eventually(lambda: settled(js))
    assert spy.seen == [sent]


async def test_while_dead_letters_cannot_be_stored_the_work_on_others_goes_on(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)

    async def fail_at_marked(recorded: Recorded[JarOpened], _: object) -> None:
        if recorded.event.label == "bad":
            raise LookupError

    await js.delete_stream(DEAD_LETTERS)
    spy = ReactionSpy(fail_at_marked)
    async with working((replica(client), spy)):
        await publish(js, JarOpened(label="bad"))
        await eventually(lambda: spy.seen)
        sent = await publish(js, OPENED)
        await eventually(lambda: spy.seen[-1] == sent)
        await provision(js, DEAD_LETTERS, ["dead.>"])
        await eventually(lambda: dead(js))


async def test_what_another_replica_acts_on_is_neither_acknowledged_nor_given_back(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[MessageLease] = []

    async def nak(hold: MessageLease, _delay: float | None = None) -> None:
        given_back.append(hold)

    async def find_another(*_: object) -> None:
        raise TakenOver

    monkeypatch.setattr(MessageLease, "nak", nak)
    spy, reactor = ReactionSpy(find_another), replica(client)
    await publish(js, OPENED)
    async with working((reactor, spy)):
        await eventually(lambda: spy.seen and not reactor.in_progress)
        await client.flush()
        info = await js.consumer_info("EVT_JAR", "shelf-open")
        assert (info.num_ack_pending, given_back) == (1, [])


async def test_an_event_that_is_given_up_is_lost_first_and_that_is_tried_until_it_succeeds(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)
    told: list[tuple[Recorded[Any], int]] = []

    async def lose(recorded: Recorded[Any], _: object) -> None:
        told.append((recorded, await dead(js)))
        if len(told) < 3:
            raise LookupError

    spy = ReactionSpy(fail)
    spy.on_dead_letter = lose
    event = await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: dead(js))
        await eventually(lambda: settled(js))
    assert (told, len(spy.seen)) == ([(event, 0)] * 3, 1)


async def test_an_event_that_cannot_be_read_is_dead_lettered_though_nobody_can_be_told_of_it(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    spy = ReactionSpy()
    spy.on_dead_letter = fail
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json")
    async with working((replica(client), spy)):
        await eventually(lambda: dead(js))


def test_two_reactions_of_one_name_are_refused() -> None:
    reactions = Reactions()
    reactions.broadcast("tidy")(one_way)
    with pytest.raises(ValueError, match="two reactions have the name 'tidy'"):
        reactions.shared("tidy")(one_way)


def test_two_rooms_with_reactions_of_one_name_are_refused() -> None:
    one, other = Reactions(), Reactions()
    one.shared("tidy")(one_way)
    other.shared("tidy")(one_way)
    with pytest.raises(ValueError, match="two reactions have the name 'tidy'"):
        Reactions.merge(one, other)


async def one_way(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...
