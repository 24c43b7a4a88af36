"""Receives commands and queries from the bus with FastStream: one subscriber per subject, shared by all replicas."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache, partial
from typing import Any, cast

from contracts.messages import Command, Faulted, Query, Refused, Reply, accepted_type
from contracts.refusals import Refusal
from contracts.wire import RESOURCE_OWNER
from faststream.message import StreamMessage
from faststream.middlewares import AckPolicy
from faststream.nats import NatsBroker
from faststream.nats.subscriber.usecases import CoreSubscriber
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from prometheus_client import Counter
from runtime import bus, telemetry
from runtime.bus import FLUSH_TIMEOUT, VERSION_HEADER, Answer, Unavailable
from runtime.bus.client import is_sent
from runtime.bus.envelope import Envelope
from runtime.http.health import CHECK_TIMEOUT
from runtime.in_flight import InFlight
from runtime.logging import bound_contextvars, get_logger
from runtime.telemetry import SpanKind

from eventing import tracing
from eventing.bus import wire
from eventing.database import TRANSIENT_ERRORS, Database
from eventing.error_text import describe_error
from eventing.handling.dispatch import Dispatcher
from eventing.metrics import handled, handling

log = get_logger()

IN_FLIGHT = 64
CHECK_SECONDS, FAILED_CHECKS = 1.0, 3
"""Pause between two checks of the database, and the number of failures after which it counts as unavailable."""
DRAIN_TIMEOUT = 10.0
START_TIMEOUT = 5.0
"""For each of the two steps of subscribing; without it, nats-py tries to connect forever."""

type Message = type[Command[Any] | Query[Any]]
type Handle = Callable[[Any, Envelope], Awaitable[Answer[Any]]]
"""Handles a message, and returns its result, and the version of the aggregate that was queried."""
type Start = Callable[[StreamMessage[Any]], Awaitable[None]]
type Serve = Callable[[], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def answering(
    url: str, service: str, dispatcher: Dispatcher[Any], operations: Mapping[Message, Handle] | None = None
) -> AsyncGenerator[None]:
    """Answer commands and queries while the database is available, and leave them to other replicas otherwise.

    `operations` answer what every service is asked. The end of the block waits for those in progress.

    Raises:
        ExceptionGroup: of all errors; of Unavailable if the bus closed the connection for good.
    """
    ready, leaving = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        serve = partial(serving, url, service, dispatcher, operations)
        tasks.create_task(_answer_while_available(serve, dispatcher.database, ready, leaving))
        await ready.wait()
        try:
            yield
        finally:
            leaving.set()


async def _answer_while_available(
    serve: Serve, database: Database, ready: asyncio.Event, leaving: asyncio.Event
) -> None:
    while not leaving.is_set():
        try:
            await _answer(serve, database, ready, leaving)
        except (Error, OSError, TimeoutError) as error:
            if not ready.is_set():
                raise
            log.warning("the bus is unavailable too, retrying", error=repr(error))
            await _is_leaving(leaving)
            continue
        if leaving.is_set():
            return
        log.warning("the database is unavailable: other replicas answer until it is available")
        while not await _is_available(database) and not await _is_leaving(leaving):
            pass
        log.info("the database is available again")


async def _answer(serve: Serve, database: Database, ready: asyncio.Event, leaving: asyncio.Event) -> None:
    async with serve() as client:
        ready.set()
        failed = 0
        while failed < FAILED_CHECKS and not await _is_leaving(leaving):
            if client.is_closed:
                raise Unavailable(f"the bus closed the connection: {client.last_error}")
            failed = 0 if await _is_available(database) else failed + 1


async def _is_leaving(leaving: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(leaving.wait(), CHECK_SECONDS)
    return leaving.is_set()


async def _is_available(database: Database) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await database.check()
    except TRANSIENT_ERRORS:
        return False
    return True


class _Broker(NatsBroker):
    """A broker whose connection is a `bus.Client`: a subscription is drained when the server has ended it."""

    async def _connect(self) -> Client:
        client = bus.Client()
        await client.connect(**self._connection_kwargs)
        self.config.connect(client)
        return client


@asynccontextmanager
async def serving(
    url: str, service: str, dispatcher: Dispatcher[Any], operations: Mapping[Message, Handle] | None = None
) -> AsyncGenerator[Client]:
    """Answer the commands and queries that the service has handlers for, on a connection of its own, and yield that.

    `operations` answer what every service is asked.

    The end of the block waits for those in progress.

    Raises:
        nats.errors.Error, OSError, TimeoutError: the bus is unavailable.
    """
    broker = _Broker(
        url,
        name=service,
        apply_types=False,
        serializer=None,  # or each handler would have a model of its parameters, which nothing uses
        logger=None,
        graceful_timeout=DRAIN_TIMEOUT,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=5,
        max_outstanding_pings=2,
        flush_timeout=FLUSH_TIMEOUT,
    )
    async with asyncio.timeout(START_TIMEOUT):
        client = await broker.connect()
    own = dict.fromkeys((*dispatcher.commands.by_type, *dispatcher.queries.by_type), partial(_handle, dispatcher))
    in_flight = InFlight()
    for kind, handle in (own | dict(operations or {})).items():
        _register(broker, service, kind, _starting(_answering(client, kind, handle), in_flight))
    try:
        async with asyncio.timeout(START_TIMEOUT):
            await broker.start()
            await client.flush()  # or an immediate request might arrive before the subscriptions
        yield client
    finally:
        await _end(broker, client, in_flight)


async def _end(broker: NatsBroker, client: Client, in_flight: InFlight) -> None:
    with suppress(Exception):  # without a server, nats-py fails to disconnect in many ways
        await _unsubscribe(broker)
    await in_flight.finish(DRAIN_TIMEOUT)
    with suppress(Exception):
        await broker.stop()
    with suppress(Exception):
        await client.close()


def _register(broker: NatsBroker, service: str, kind: Message, start: Start) -> None:
    # FastStream hands over one message of a subject after the other. Its own workers (`max_workers`) and its publisher
    # of replies take more than twice the processor time per message, and there is nothing to acknowledge.
    subscriber = broker.subscriber(
        kind.subject, queue=service, decoder=_undecoded, ack_policy=AckPolicy.MANUAL, no_reply=True
    )
    subscriber(start)


def _starting(answer: Callable[[Msg], Coroutine[Any, Any, None]], in_flight: InFlight) -> Start:
    """Return a handler that starts to answer a message, when fewer than `IN_FLIGHT` of its subject are in progress."""
    free = asyncio.Semaphore(IN_FLIGHT)

    async def start(message: StreamMessage[Any]) -> None:
        message.clear_cache()  # it holds the message itself, whose parts of files would wait for the garbage collector
        await free.acquire()
        in_flight.start(answer(message.raw_message), free.release)

    return start


async def _unsubscribe(broker: NatsBroker) -> None:
    # Before FastStream stops: it would continue to accept messages until those in progress are done, and drop them
    # without an answer.
    async with asyncio.timeout(DRAIN_TIMEOUT):
        subscribers = cast(list[CoreSubscriber], broker.subscribers)
        await asyncio.gather(*(s.subscription.drain() for s in subscribers if s.subscription))
        for subscriber in subscribers:
            subscriber.subscription = None


async def _undecoded(message: StreamMessage[Any]) -> StreamMessage[Any]:
    return message


def _answering(client: Client, kind: Message, handle: Handle) -> Callable[[Msg], Coroutine[Any, Any, None]]:
    accepted, duration = accepted_type(kind), handling.labels(kind.subject)
    max_bytes = client.max_payload - wire.HEADROOM

    async def answer(message: Msg) -> None:
        began = time.perf_counter()
        reply, headers = await decide(message)
        body = reply.encoded()
        if len(body) > max_bytes:
            log.error("answer too large for the bus", subject=kind.subject, size=len(body))
            reply = Faulted(detail="The answer is too large.")
            body = reply.encoded()
        _handled(kind.subject, reply.kind).inc()
        duration.observe(time.perf_counter() - began)
        if message.reply:
            with suppress(Error, OSError):  # the sender repeats the message, or does not know what has become of it
                await client.publish(message.reply, body, headers=headers or None)

    async def decide(message: Msg) -> tuple[Reply[Any], dict[str, str]]:
        read = _read(kind, message)
        if isinstance(read, Faulted):
            return read, {}
        envelope, body = read
        with (
            bound_contextvars(**tracing.log_ids(body, envelope)),
            telemetry.span("handle", SpanKind.SERVER, destination=kind.subject, parent=envelope.traceparent),
        ):
            try:
                answer = await handle(body, envelope)
                return accepted(result=answer.result), _headers(answer)
            except Refusal as refusal:
                telemetry.note(refusal)
                return Refused.of(refusal), {RESOURCE_OWNER: str(refusal.owner)} if refusal.owner else {}
            except Exception as error:
                telemetry.note(error)
                log.exception("message could not be handled", subject=kind.subject)
                return Faulted(detail="The service could not handle the message; try again later."), {}

    return answer


@cache
def _handled(subject: str, reply: str) -> Counter:
    return handled.labels(subject, reply)


def _read(kind: Message, message: Msg) -> tuple[Envelope, Command[Any] | Query[Any]] | Faulted:
    """Return the envelope and the content of a message, or the reply to one that is not to be handled."""
    if not is_sent(message, kind.subject):
        log.error("message from a stream refused", subject=kind.subject, stored=message.subject)
        return Faulted(detail="The message comes from a stream.")
    try:
        envelope, body = Envelope.from_headers(message.headers), kind.model_validate_json(message.data)
    except ValueError as error:
        log.warning("message cannot be read", subject=kind.subject, error=describe_error(error))
        return Faulted(detail="The message cannot be read.")
    return Faulted(detail="The message arrived after its deadline.") if envelope.expired else (envelope, body)


def _headers(answer: Answer[Any]) -> dict[str, str]:
    values = {VERSION_HEADER: answer.version, RESOURCE_OWNER: answer.owner}
    return {name: str(value) for name, value in values.items() if value is not None}


async def _handle(dispatcher: Dispatcher[Any], body: Command[Any] | Query[Any], envelope: Envelope) -> Answer[Any]:
    if dispatcher.received:
        dispatcher.received(envelope)
    if isinstance(body, Command):
        answer = await dispatcher.send_versioned(body, envelope)
        return answer if envelope.wants_version else answer._replace(version=None)
    if envelope.wants_version:
        return await dispatcher.ask_versioned(body, envelope)
    return Answer(await dispatcher.ask(body, envelope))
