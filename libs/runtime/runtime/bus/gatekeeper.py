"""Admits programs of users to NATS, each with the right to read from one consumer.

The server asks before it accepts a connection that is not of a service (auth callout). A program proves by a signature
that it has a private key; `find` says what its public key may read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from contracts.wire import PUBLIC_PREFIX, PUBLIC_STREAM
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NotFoundError

from runtime import clock
from runtime.bus.accounts import AUTHORIZE, PROGRAMS_ACCOUNT, program_subjects
from runtime.bus.client import Client
from runtime.bus.jetstream import jetstream
from runtime.bus.nkeys import KeyPair, claims_of, has_signed
from runtime.bus.program_connections import ProgramConnections
from runtime.logging import get_logger

log = get_logger()

QUEUE = "identity"
AT_ONCE = 16
MAX_SUBSCRIPTIONS, MAX_REQUEST_BYTES = 16, 4096
MAX_ACK_PENDING, MAX_WAITING, ACK_WAIT_SECONDS = 1000, 64, 30.0
DEDUPLICATION_SECONDS = 600.0
CANNOT_CHANGE = 10012
"""The error code of JetStream when a consumer cannot be changed to what is asked for."""
REFUSED = "not authorized"


@dataclass(frozen=True)
class Admission:
    """What a program may read: the events of `subjects` since a time, through a durable consumer."""

    consumer: str
    subjects: tuple[str, ...]
    since: datetime


@dataclass(frozen=True)
class Retention:
    """How long events stay in the stream, in seconds, up to how many bytes, and on how many servers."""

    seconds: float
    max_bytes: int
    replicas: int = 1


type Find = Callable[[str], Awaitable[Admission | None]]


class Gatekeeper:
    """Answers the server's questions about programs; several replicas share the work."""

    def __init__(self, client: Client, issuer: KeyPair, find: Find, retention: Retention) -> None:
        self._client, self._js, self._issuer = client, jetstream(client), issuer
        self._find, self._retention = find, retention
        self._connections = ProgramConnections(client)

    async def serve(self) -> None:
        """Answer until cancelled or something fails; to be run in a loop."""
        free = asyncio.Semaphore(AT_ONCE)
        subscription = await cast(Any, self._client).subscribe(AUTHORIZE, queue=QUEUE)
        try:
            async with asyncio.TaskGroup() as tasks:
                async for message in subscription.messages:
                    await free.acquire()
                    tasks.create_task(self._answer(message)).add_done_callback(lambda _: free.release())
        finally:
            await subscription.unsubscribe()

    async def ensure_stream(self) -> None:
        """Create the stream unless it exists. From then on, events are published to it."""
        kept = self._retention
        config = StreamConfig(
            name=PUBLIC_STREAM,
            subjects=[f"{PUBLIC_PREFIX}.>"],
            storage=StorageType.FILE,
            num_replicas=kept.replicas,
            max_age=kept.seconds,
            max_bytes=kept.max_bytes,
            duplicate_window=min(DEDUPLICATION_SECONDS, kept.seconds),
            deny_delete=True,
        )
        with suppress(BadRequestError):  # it exists with other settings, which are those of the operator
            await self._js.add_stream(config)

    async def _answer(self, message: Msg) -> None:
        try:
            asked = claims_of(message.data.decode())
            if asked["exp"] <= clock.now().timestamp():
                log.warning("an authorization request has expired: NATS is slow, or the clocks differ")
                return
            request = asked["nats"]
            answer = await self._answer_to(request)
            claims = {"sub": request["user_nkey"], "aud": request["server_id"]["id"]}
        except (ValueError, KeyError, TypeError):
            log.warning("an authorization request cannot be read")
            return
        claims["nats"] = {"type": "authorization_response", "version": 2} | answer
        await message.respond(self._token(claims))

    async def _answer_to(self, request: dict[str, Any]) -> dict[str, str]:
        try:
            admission = await self._admit(request["connect_opts"], request["client_info"])
        except Exception:
            log.exception("a program cannot be admitted")
            admission = None
        if admission is None:
            return {"error": REFUSED}
        return {"jwt": self._token(_claims(request["user_nkey"], admission)).decode()}

    async def _admit(self, options: dict[str, Any], connection: dict[str, Any]) -> Admission | None:
        public, signature = options.get("nkey", ""), options.get("sig", "")
        if not has_signed(public, signature, connection.get("nonce", "").encode()):
            return None
        admission = await self._find(public)
        while admission:
            await self._ensure_consumer(admission)
            # Who takes the permission back removes the consumer afterwards: it is either seen here, or removed there.
            now = await self._find(public)
            if now == admission:
                break
            if now is None:
                await self._connections.remove(admission.consumer)
            admission = now
        return admission

    async def _ensure_consumer(self, admission: Admission) -> None:
        config = self._config(admission, await self._kept_seconds())
        try:
            await self._js.add_consumer(PUBLIC_STREAM, config)
        except APIError as error:
            if error.err_code != CANNOT_CHANGE:
                raise
            await self._connections.remove(admission.consumer)  # it begins at another time
            await self._js.add_consumer(PUBLIC_STREAM, config)

    async def _kept_seconds(self) -> float | None:
        """Return how long events may stay in the stream, which is created if it is missing; None if for ever."""
        try:
            stream = await self._js.stream_info(PUBLIC_STREAM)
        except NotFoundError:
            await self.ensure_stream()
            stream = await self._js.stream_info(PUBLIC_STREAM)
        kept = stream.config.max_age  # the operator may have changed it
        return max(kept, self._retention.seconds) if kept else None

    def _config(self, admission: Admission, kept_seconds: float | None) -> ConsumerConfig:
        # One that nobody has used for so long has nothing left to deliver of what it remembers, and is made again.
        return ConsumerConfig(
            name=admission.consumer,
            durable_name=admission.consumer,
            filter_subjects=[*admission.subjects],
            deliver_policy=DeliverPolicy.BY_START_TIME,
            opt_start_time=admission.since,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
            max_ack_pending=MAX_ACK_PENDING,
            max_waiting=MAX_WAITING,
            inactive_threshold=kept_seconds,
        )

    def _token(self, claims: dict[str, Any]) -> bytes:
        return self._issuer.token(claims, int(clock.now().timestamp())).encode()


def _claims(user: str, admission: Admission) -> dict[str, Any]:
    publish, subscribe = program_subjects(admission.consumer)
    permissions = {"pub": {"allow": publish}, "sub": {"allow": subscribe}}
    limits = {"subs": MAX_SUBSCRIPTIONS, "data": -1, "payload": MAX_REQUEST_BYTES}
    nats = {"type": "user", "version": 2} | limits | permissions
    return {"sub": user, "aud": PROGRAMS_ACCOUNT, "name": admission.consumer, "nats": nats}
