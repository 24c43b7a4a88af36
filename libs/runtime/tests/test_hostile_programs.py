"""Programs that try what they may not: other identities, subjects of others, and replies to the services."""

# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false

import base64
from typing import Any

import pytest
from contracts.wire import PUBLIC_STREAM
from nats.aio.client import Client as NatsClient
from onebox.nats import EmbeddedNats
from runtime.bus import connected
from runtime.bus.jetstream import jetstream, subject_counts
from runtime.bus.nkeys import ACCOUNT, USER, KeyPair

from libs.runtime.tests.programs import ADA, BOB, Desk, Program, admission


async def test_a_program_with_an_unknown_key_is_refused(desk: Desk) -> None:
    assert await desk.refused(Program(KeyPair.new(USER), admission(ADA)))


async def test_a_program_without_a_key_is_refused(desk: Desk) -> None:
    client = NatsClient()
    assert await desk.fails(client, client.connect(desk.server, allow_reconnect=False))


async def test_a_program_with_the_public_key_of_another_is_refused(desk: Desk) -> None:
    program = await desk.program(ADA)
    client = NatsClient()

    def sign(nonce: str) -> bytes:
        return base64.b64encode(KeyPair.new(USER).sign(nonce.encode()))

    client._public_nkey = program.key.public  # pyright: ignore[reportPrivateUsage]
    assert await desk.fails(client, client.connect(desk.server, signature_cb=sign, allow_reconnect=False))


async def test_a_program_with_a_forged_token_is_refused(desk: Desk) -> None:
    issuer, key = KeyPair.new(ACCOUNT), KeyPair.new(USER)
    claims = {"sub": key.public, "aud": "AGENTAPI", "name": "operator", "nats": {"type": "user", "version": 2}}
    token = issuer.token(claims, 0)
    client = NatsClient()

    def sign(nonce: str) -> bytes:
        return base64.b64encode(key.sign(nonce.encode()))

    connecting = client.connect(desk.server, user_jwt_cb=token.encode, signature_cb=sign, allow_reconnect=False)
    assert await desk.fails(client, connecting)


@pytest.mark.parametrize("password", ["", "operator", "x"])
async def test_a_service_without_its_password_is_refused(desk: Desk, password: str) -> None:
    client = NatsClient()
    connecting = client.connect(desk.server, user="operator", password=password, allow_reconnect=False)
    assert await desk.fails(client, connecting)


async def test_what_is_of_others_is_refused_to_a_program(desk: Desk) -> None:
    program, other = await desk.program(ADA), await desk.program(BOB)
    publishes, subscribes = forbidden(program.admission.consumer, other.admission.consumer)
    for subject in publishes:
        await program.client.publish(subject, b"")
    for subject in subscribes:
        await program.client.subscribe(subject)
    for _ in range(2):
        await program.client.flush()
    refused = {line.rpartition(" to ")[2].strip('"') for line in program.happened}
    assert {subject.lower() for subject in (*publishes, *subscribes)} - refused == set()


def forbidden(own: str, other: str) -> tuple[list[str], list[str]]:
    """Return what a program may neither publish nor subscribe to."""
    api = ("$JS.API", "$JS.public.API")
    publishes = [f"{prefix}.{call}" for prefix in api for call in FORBIDDEN_CALLS]
    for consumer in (own, other, "x"):
        calls = ("CREATE", "DURABLE.CREATE", "DELETE", "PAUSE", "UNPIN", "RESET")
        publishes += [f"{prefix}.CONSUMER.{call}.PUBLIC.{consumer}" for prefix in api for call in calls]
        publishes += [f"{prefix}.CONSUMER.CREATE.PUBLIC.{consumer}.public.v1.x.y" for prefix in api]
    publishes += [f"$JS.public.API.CONSUMER.{call}.PUBLIC.{other}" for call in ("INFO", "MSG.NEXT")]
    publishes += [f"$JS.ACK.PUBLIC.{other}.1.1.1.1.0", f"$JS.ACK.EVT_SESSION.{own}.1.1.1.1.0"]
    publishes += [f"_INBOX_{other}.x", f"public.v1.{ADA}.session.created.x", "_INBOX.identity.x.webhook.y"]
    publishes += ["cmd.session.create", "qry.session.get", "evt.session.created.x.y", "work.session.x", "_R_.x.y"]
    publishes += ["bus.connections", "bus.disconnect.x", "$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING.CONNZ"]
    subscribes = [f"_INBOX_{other}.>", "_INBOX.>", ">", "*.>", "public.>", f"public.v1.{ADA}.>", f"public.v1.{BOB}.>"]
    subscribes += ["cmd.>", "evt.>", "work.>", "$JS.>", "$SYS.>", "$KV.>", "_R_.>", "$SYS.REQ.USER.AUTH"]
    return publishes, subscribes


FORBIDDEN_CALLS = (
    *(f"STREAM.{call}.PUBLIC" for call in ("DELETE", "PURGE", "UPDATE", "INFO", "CREATE", "SNAPSHOT")),
    *("STREAM.MSG.GET.PUBLIC", "STREAM.MSG.DELETE.PUBLIC", "DIRECT.GET.PUBLIC", "STREAM.NAMES", "STREAM.LIST"),
    *("INFO", "CONSUMER.NAMES.PUBLIC", "CONSUMER.LIST.PUBLIC", "STREAM.MSG.GET.EVT_SESSION"),
)


async def test_no_reply_to_a_program_arrives_at_the_services(desk: Desk, installed_nats: EmbeddedNats) -> None:
    program = await desk.program(ADA)
    consumer = program.admission.consumer
    await desk.publish(ADA, "event")
    heard = list[str]()

    async def note(message: Any) -> None:
        heard.append(message.subject)

    async with connected(installed_nats.url, "operator") as operator:
        bobs = await subject_counts(jetstream(operator), PUBLIC_STREAM, f"public.v1.{BOB}.session.created.x")
        await operator.subscribe(">", cb=note)
        await operator.flush()
        for reply in ("cmd.session.create", "$JS.API.STREAM.DELETE.PUBLIC", f"public.v1.{BOB}.session.created.x"):
            for subject in (f"$JS.public.API.CONSUMER.{call}.PUBLIC.{consumer}" for call in ("INFO", "MSG.NEXT")):
                await program.client.publish(subject, b'{"no_wait": true, "batch": 9}', reply=reply)
            await program.client.publish(f"$JS.ACK.PUBLIC.{consumer}.1.1.1.1.0", b"+ACK", reply=reply)
        await program.client.flush()
        await operator.flush()
        assert await subject_counts(jetstream(operator), PUBLIC_STREAM, f"public.v1.{BOB}.session.created.x") == bobs
    # What is read has the subject of its event, wherever it is delivered to.
    assert not [subject for subject in heard if subject.startswith(("cmd.", f"public.v1.{BOB}", "$JS.API.STREAM.D"))]
