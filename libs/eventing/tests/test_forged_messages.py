"""NATS delivers messages of a stream to any subject that a reader of the stream names. Receivers refuse them."""

import json
from contextlib import suppress
from typing import Any, cast

import pytest
from contracts.wire import offer_subject, replay_subject
from eventing.bus.dead_letters import SUBJECT
from eventing.database import Database
from eventing.handling import subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.reactions import Reactions
from eventing.reactions.offers import ACK
from eventing.reactions.offers import SUBJECT as OFFERED
from eventing.reactions.replays import Replays
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually, jars
from eventing.testing.messages import JarOpened, OpenJar
from eventing.testing.offering import JAR, message, replicas
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica
from nats.errors import NoRespondersError
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream, headers_of, jetstream
from runtime.bus.pubsub import subscribe, subscribed
from structlog.testing import capture_logs

PULL, PUSH, GET = "CONSUMER.MSG.NEXT.SPY.spy", "push", "DIRECT.GET.SPY"


async def forge(client: Client, way: str, subject: str, body: bytes, headers: dict[str, Any]) -> None:
    """Store a message in a stream, and have the server deliver it to a subject."""
    js = jetstream(client)
    await js.add_stream(StreamConfig(name="SPY", subjects=["spy.>"], allow_direct=True))
    await js.publish("spy.forged", body, headers=headers)
    push = {"deliver_subject": subject, "deliver_group": "jar"} if way == PUSH else {}
    await js.add_consumer("SPY", ConsumerConfig(name="spy", ack_policy=AckPolicy.NONE, **cast(Any, push)))
    if way != PUSH:
        request = {"seq": 1} if way == GET else {"batch": 1}
        await client.publish(f"$JS.API.{way}", json.dumps(request).encode(), reply=subject)


@pytest.mark.parametrize("way", [PULL, PUSH, GET])
async def test_a_command_that_a_stream_delivers_is_refused(
    way: str, nats_url: str, client: Client, postgres_store: PostgresStore, database: Database
) -> None:
    dispatcher = Dispatcher(postgres_store, database, None, jars.handles, jars.answers, {})
    body, headers = OpenJar.example().model_dump_json().encode(), {**Envelope.begin().headers()}
    async with subscribers.serving(nats_url, "jar", dispatcher):
        with capture_logs() as logs:
            await forge(client, way, OpenJar.subject, body, headers)
            await eventually(lambda: any(entry["event"] == "message from a stream refused" for entry in logs))
    assert await postgres_store.event(OpenJar.example().jar_id, 1) is None


async def test_a_replay_that_a_stream_delivers_is_refused(client: Client, js: JetStream) -> None:
    spy, reactions, reactor = ReactionSpy(), Reactions(), replica(client)
    reactions.add(spy.registration())
    await publish(js, JarOpened.example())
    event = await js.get_msg("EVT_JAR", 1)
    headers = {**headers_of(event), SUBJECT: "open"}
    async with background(Replays(reactor, reactions).run()):
        await eventually(lambda: _is_subscribed(client))
        with capture_logs() as logs:
            await forge(client, PULL, replay_subject("shelf"), event.data or b"", headers)
            await eventually(lambda: any(entry["event"] == "dead letter could not be replayed" for entry in logs))
    assert spy.seen == []


@pytest.mark.parametrize("way", [PULL, GET])
async def test_an_offer_that_a_stream_delivers_is_refused(way: str, client: Client) -> None:
    offered = message(client)
    headers = {**(offered.headers or {}), OFFERED: offered.subject, ACK: offered.reply}
    async with replicas(client) as (replica,):
        await replica.deliver()
        with capture_logs() as logs:
            await forge(client, way, offer_subject("cupboard", "open", str(JAR)), b"forged", headers)
            await eventually(lambda: logs or len(replica.processed) > 1)
    assert ([entry["event"] for entry in logs], len(replica.processed)) == (["offer is not valid"], 1)


@pytest.mark.parametrize("way", [PULL, GET])
async def test_what_a_stream_delivers_to_listeners_is_ignored(way: str, client: Client) -> None:
    heard = list[bytes]()

    async def listen(_: str, body: bytes) -> None:
        heard.append(body)

    delivered = await subscribe(client, "delta.jar.one.two")
    async with subscribed(client, ["delta.jar.*.*"], listen):
        await forge(client, way, "delta.jar.one.two", b"forged", {})
        assert (await delivered.next_msg(60)).data == b"forged"
        await client.publish("delta.jar.one.two", b"sent")
        await eventually(lambda: heard[-1:] == [b"sent"])
    assert heard == [b"sent"]


async def _is_subscribed(client: Client) -> bool:
    with suppress(NoRespondersError):
        await client.request(replay_subject("shelf"), timeout=60)
        return True
    return False
