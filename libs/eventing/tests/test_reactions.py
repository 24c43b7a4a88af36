"""Shared reactions: delivery of each event to one replica, retries, and dead letters."""

from typing import Any

import pytest
from contracts.messages import Actor
from contracts.wire import DEAD_LETTERS
from eventing import reactions as module
from eventing.bus.message_lease import MessageLease
from eventing.bus.streams import provision
from eventing.reactions import Reaction, Reactions, Registration, TakenOver
from eventing.recording import Recorded
from eventing.testing import eventually
from eventing.testing.deliveries import all_acknowledged, dead_letter_count
from eventing.testing.messages import JAR, JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, UnavailableDatabase, replica, working
from runtime.bus import Client
from runtime.bus.jetstream import JetStream, headers_of

pytestmark = pytest.mark.usefixtures("fast_reactions")

ADA = Actor(user_id=JAR, role="user")
OPENED = JarOpened.example()


async def fail(*_: object) -> None:
    raise LookupError("no marbles left")


def test_a_reaction_is_registered_under_its_name_for_its_event() -> None:
    reactions = Reactions()

    @reactions.shared("open_it", concurrency=3)
    async def open_it(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    @reactions.broadcast("notify_all")
    async def notify_all(recorded: Recorded[MarbleAdded], reaction: Reaction[None]) -> None: ...

    assert reactions.delivered("shared") == [Registration("open_it", JarOpened, open_it, 3)]
    assert reactions.delivered("broadcast") == [
        Registration("notify_all", MarbleAdded, notify_all, delivery="broadcast")
    ]


def test_two_shared_reactions_to_one_kind_of_event_are_rejected() -> None:
    reactions = Reactions()

    @reactions.shared("one")
    async def one(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    @reactions.shared("other")
    async def other(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    assert reactions.work_of("shelf") == {}
    with pytest.raises(ValueError, match="for the same kind of event"):
        reactions.work_of("jar")


async def test_two_replicas_react_to_each_event_once(client: Client, other_client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    sent = [await publish(js, OPENED) for _ in range(20)]
    async with working((replica(client), spy), (replica(other_client), spy)):
        sent += [await publish(js, OPENED) for _ in range(20)]
        await eventually(lambda: len(spy.seen) >= 40)
        await eventually(lambda: all_acknowledged(js))
    assert sorted(spy.seen, key=lambda r: r.id) == sorted(sent, key=lambda r: r.id)


async def test_a_reaction_ignores_events_of_other_kinds(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    await publish(js, MarbleAdded.example())
    sent = await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
    assert spy.seen == [sent]


async def test_an_event_that_failed_is_held_while_the_database_is_unavailable(
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


async def test_a_failed_reaction_is_retried(client: Client, js: JetStream) -> None:
    async def fail_at_first(*_: object) -> None:
        if len(spy.seen) < 3:
            raise LookupError

    spy = ReactionSpy(fail_at_first)
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: len(spy.seen) == 3)
        await eventually(lambda: all_acknowledged(js))
    assert await dead_letter_count(js) == 0


async def test_an_event_that_fails_at_every_delivery_is_dead_lettered(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 3)
    spy = ReactionSpy(fail)
    event = await publish(js, OPENED, at=JAR)
    async with working((replica(client), spy)):
        await eventually(lambda: dead_letter_count(js))
        await eventually(lambda: all_acknowledged(js))
    letter = await js.get_msg(DEAD_LETTERS, seq=1)
    assert (letter.subject, letter.data) == ("dead.shelf.open", OPENED.model_dump_json().encode())
    headers = headers_of(letter)
    assert headers["dead-reason"] == "LookupError('no marbles left')"
    assert headers["dead-subject"] == f"evt.jar.opened.{JAR}.{JAR}"
    assert headers["ce-id"] == str(event.envelope.message_id)
    assert len(spy.seen) == 3


async def test_an_unreadable_event_is_dead_lettered(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 2)
    spy = ReactionSpy()
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json")
    sent = await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: dead_letter_count(js))
        await eventually(lambda: all_acknowledged(js))
    assert spy.seen == [sent]


async def test_other_events_are_processed_while_dead_letters_cannot_be_stored(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)

    async def fail_if_bad(recorded: Recorded[JarOpened], _: object) -> None:
        if recorded.event.label == "bad":
            raise LookupError

    await js.delete_stream(DEAD_LETTERS)
    spy = ReactionSpy(fail_if_bad)
    async with working((replica(client), spy)):
        await publish(js, JarOpened(label="bad"))
        await eventually(lambda: spy.seen)
        sent = await publish(js, OPENED)
        await eventually(lambda: spy.seen[-1] == sent)
        await provision(js, DEAD_LETTERS, ["dead.>"])
        await eventually(lambda: dead_letter_count(js))


async def test_an_event_that_another_replica_has_is_neither_acked_nor_nakked(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    nakked: list[MessageLease] = []

    async def nak(hold: MessageLease, _delay: float | None = None) -> None:
        nakked.append(hold)

    async def be_taken_over(*_: object) -> None:
        raise TakenOver

    monkeypatch.setattr(MessageLease, "nak", nak)
    spy, reactor = ReactionSpy(be_taken_over), replica(client)
    await publish(js, OPENED)
    async with working((reactor, spy)):
        await eventually(lambda: spy.seen and not reactor.in_progress)
        await client.flush()
        info = await js.consumer_info("EVT_JAR", "shelf-open")
        assert (info.num_ack_pending, nakked) == (1, [])


async def test_an_event_is_dead_lettered_after_its_handler_has_succeeded(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)
    handled: list[tuple[Recorded[Any], int]] = []

    async def handle(recorded: Recorded[Any], _: object) -> None:
        handled.append((recorded, await dead_letter_count(js)))
        if len(handled) < 3:
            raise LookupError

    spy = ReactionSpy(fail)
    spy.on_dead_letter = handle
    event = await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: dead_letter_count(js))
        await eventually(lambda: all_acknowledged(js))
    # The bus may deliver it a fourth time while it is being acknowledged.
    assert handled[:3] == [(event, 0)] * 3


async def test_an_unreadable_event_is_dead_lettered_without_its_handler(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 1)
    spy = ReactionSpy()
    spy.on_dead_letter = fail
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json")
    async with working((replica(client), spy)):
        await eventually(lambda: dead_letter_count(js))


def test_two_reactions_with_one_name_are_rejected() -> None:
    reactions = Reactions()
    reactions.broadcast("tidy")(tidy)
    with pytest.raises(ValueError, match="two reactions have the name 'tidy'"):
        reactions.shared("tidy")(tidy)


def test_two_modules_with_reactions_of_one_name_are_rejected() -> None:
    one, other = Reactions(), Reactions()
    one.shared("tidy")(tidy)
    other.shared("tidy")(tidy)
    with pytest.raises(ValueError, match="two reactions have the name 'tidy'"):
        Reactions.merge(one, other)


async def tidy(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...
