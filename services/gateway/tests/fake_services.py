"""Fakes of the services that the gateway sends messages to."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import jwt
from contracts.catalogue import SERVICES
from contracts.identity.login import GetKeys, KeysView
from contracts.messages import Accepted, Command, Event, Faulted, Query, Refused, result_type
from contracts.refusals import Code
from contracts.samples import FAMILY, MESSAGE, RUN, SESSION, USER
from contracts.session.deltas import TextDelta, delta_subject
from contracts.session.run import RunCompleted
from contracts.wire import RESOURCE_OWNER, REVOCATIONS, REVOCATIONS_COMPLETE, event_filter, event_stream
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import StreamConfig
from runtime.bus import VERSION_HEADER, Client
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.bus.key_value import Bucket
from runtime.bus.pubsub import subscribe

type Message = type[Command[Any] | Query[Any]]

OTHER = UUID("0197a1f0-0000-7000-8000-0000000000ff")


class FakeServices:
    """All services in one: sends the configured answers, and records the messages it receives."""

    def __init__(self, client: Client) -> None:
        self.client, self.js = client, jetstream(client)
        self.received: list[tuple[Any, Envelope]] = []
        self.version = 1
        self.owner: UUID | None = None
        self.keys = [Ed25519PrivateKey.generate()]
        self._subscriptions: dict[Message, Subscription] = {}

    async def answer(self, kind: Message, reply: object) -> None:
        """Answer all messages of a kind from now on with a result, a refusal or a fault."""
        await self.answer_with(kind, lambda _: reply)

    async def deny(self, kind: Message, code: Code, owner: UUID) -> None:
        """Refuse all messages of a kind from now on, as a service does for the resource of another user."""

        async def receive(message: Msg) -> None:
            reply = Refused(code=code, detail="There is none.").model_dump_json().encode()
            await self.client.publish(message.reply, reply, headers={RESOURCE_OWNER: str(owner)})

        await self._subscribe(kind, receive)

    async def answer_with(self, kind: Message, make: Callable[[Any], object]) -> None:
        """Answer messages of a kind from now on with what `make` returns for them."""
        accepted = Accepted[result_type(kind)]

        async def receive(message: Msg) -> None:
            body = kind.model_validate_json(message.data)
            envelope = Envelope.from_headers(message.headers)
            self.received.append((body, envelope))
            reply = make(body)
            if not isinstance(reply, Refused | Faulted):
                reply = accepted(result=reply)
            headers = {VERSION_HEADER: str(self.version)} if envelope.wants_version else {}
            if self.owner and issubclass(kind, Command):
                headers[RESOURCE_OWNER] = str(self.owner)
            await self.client.publish(message.reply, reply.model_dump_json().encode(), headers=headers)

        await self._subscribe(kind, receive)

    def of(self, *kinds: Message) -> list[Any]:
        """Return the received messages of these kinds."""
        return [message for message, _ in self.received if isinstance(message, kinds)]

    async def ignore(self, kind: Message) -> None:
        """Receive messages of a kind from now on, but never answer them."""

        async def receive(message: Msg) -> None:
            self.received.append((kind.model_validate_json(message.data), Envelope.from_headers(message.headers)))

        await self._subscribe(kind, receive)

    async def stop(self) -> None:
        """Become unavailable. The bus would deliver to a connection that was just closed, and nobody would answer."""
        for subscription in self._subscriptions.values():
            await subscription.unsubscribe()
        await self.client.flush()
        await self.client.close()

    async def _subscribe(self, kind: Message, receive: Callable[[Msg], Awaitable[None]]) -> None:
        if previous := self._subscriptions.pop(kind, None):
            await previous.unsubscribe()
        self._subscriptions[kind] = await subscribe(self.client, kind.subject, receive)
        await self.client.flush()
        await self.client.flush()  # the first flush may overtake the subscription

    async def publish_keys(self) -> None:
        """Answer `GetKeys` with the public keys of `keys`."""
        await self.answer_with(GetKeys, lambda _: KeysView(keys=list(map(self._public, self.keys))))

    def token(self, key: int = 0, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return an access token; `claims` replace the default ones, and None removes one."""
        body = {
            "iss": "agentapi",
            "aud": "agentapi",
            "sub": USER,
            "sid": FAMILY,
            "jti": str(OTHER),
            "role": "user",
            "iat": int(time.time()),
            "exp": int(time.time()) + 3600,
        } | claims
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, self.keys[key], "EdDSA", headers={"kid": f"key-{key}"} | (header or {}))

    async def end_run(self, session_id: UUID, run_id: UUID, kind: type[Event] = RunCompleted) -> None:
        """Publish an event that ends a run, on the plain bus only."""
        event = kind.model_validate(kind.sample | {"run_id": run_id})
        await self.client.publish(f"{event.subject}.{USER}.{session_id}", event.model_dump_json().encode())

    async def publish_revocations(self, *families: str, complete: bool = True) -> None:
        """Write revoked families to the bucket as identity does, and mark it as complete."""
        bucket = await Bucket.ensure(self.client, REVOCATIONS, seconds=2 * 3600.0)
        for family in families:
            await bucket.put(family, b"logout")
        if complete:
            await bucket.put(REVOCATIONS_COMPLETE, b"2026-11-25T09:00:00+00:00")

    async def create_streams(self) -> None:
        """Create the streams that the services would create for their events."""
        for service in SERVICES:
            await self.js.add_stream(StreamConfig(name=event_stream(service), subjects=[event_filter(service)]))

    async def publish(self, event: Event, *, owner: str = USER, at: str = SESSION) -> int:
        """Publish an event as the relay of its service would, and return its sequence."""
        body, head = event.model_dump_json().encode(), {"ce-time": "2026-11-25T09:00:00+00:00", "ce-id": str(OTHER)}
        return (await self.js.publish(f"{event.subject}.{owner}.{at}", body, headers=head)).seq

    async def publish_text(
        self, text: str, *, kind: Literal["text", "thinking"] = "text", run_id: str = RUN, session_id: str = SESSION
    ) -> None:
        """Publish a text delta of an agent."""
        delta = TextDelta(run_id=UUID(run_id), message_id=UUID(MESSAGE), kind=kind, text=text)
        await self.client.publish(delta_subject(UUID(USER), UUID(session_id)), delta.model_dump_json().encode())

    def _public(self, key: Ed25519PrivateKey) -> dict[str, str]:
        jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return jwk | {"kid": f"key-{self.keys.index(key)}", "alg": "EdDSA", "use": "sig"}
