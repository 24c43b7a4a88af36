"""Commands and queries from the bus, by FastStream: one subscriber a subject, shared by a service's replicas."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from contracts.messages import Accepted, Command, Faulted, Query, Refused, Reply, result_type
from contracts.refusals import Refusal
from faststream.message import StreamMessage
from faststream.nats import NatsBroker, NatsResponse
from pydantic import ValidationError
from runtime.envelope import Envelope
from runtime.logging import bound_contextvars, get_logger
from runtime.telemetry import span

from eventing.dispatch import Dispatcher
from eventing.metrics import handled

log = get_logger()

IN_FLIGHT = 64
DRAIN_TIMEOUT = 10.0

type Message = type[Command[Any] | Query[Any]]


@asynccontextmanager
async def serving(url: str, service: str, dispatcher: Dispatcher[Any]) -> AsyncGenerator[None]:
    """Answer all the commands and queries that the service has handlers for; leaving finishes those under way."""
    broker = NatsBroker(
        url,
        name=service,
        apply_types=False,
        logger=None,
        graceful_timeout=DRAIN_TIMEOUT,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=5,
        max_outstanding_pings=2,
    )
    for kind in (*dispatcher.commands.by_type, *dispatcher.queries.by_type):
        subscriber = broker.subscriber(kind.subject, queue=service, max_workers=IN_FLIGHT, decoder=_whole)
        subscriber(_answering(kind, dispatcher))
    await broker.start()
    try:
        yield
    finally:
        await broker.stop()


async def _whole(message: StreamMessage[Any]) -> StreamMessage[Any]:
    return message


def _answering(kind: Message, dispatcher: Dispatcher[Any]) -> Callable[[StreamMessage[Any]], Awaitable[NatsResponse]]:
    accepted = Accepted[result_type(kind)]

    async def answer(message: StreamMessage[Any]) -> NatsResponse:
        try:
            envelope = Envelope.read(message.headers)
            body = kind.model_validate_json(message.body)
        except ValueError as error:
            log.warning("a message that cannot be read", subject=kind.subject, error=_shape(error))
            return _reply(kind, Faulted(detail="The message cannot be read."))
        if envelope.expired:
            return _reply(kind, Faulted(detail="The message came after its deadline."))
        with bound_contextvars(correlation_id=envelope.correlation_id), span(kind.subject, envelope.traceparent):
            try:
                return _reply(kind, accepted(result=await _handle(body, envelope, dispatcher)))
            except Refusal as refusal:
                return _reply(kind, Refused(code=refusal.code, detail=refusal.detail))
            except Exception:
                log.exception("a message could not be handled", subject=kind.subject)
                return _reply(kind, Faulted(detail="The service could not do it now."))

    return answer


def _reply(kind: Message, reply: Reply[Any]) -> NatsResponse:
    handled.labels(kind.subject, reply.kind).inc()
    return NatsResponse(reply.model_dump_json().encode())


async def _handle(body: Command[Any] | Query[Any], envelope: Envelope, dispatcher: Dispatcher[Any]) -> Any:
    if isinstance(body, Command):
        return await dispatcher.send(body, envelope)
    return await dispatcher.ask(body, envelope)


def _shape(error: ValueError) -> str:
    # A pydantic error repeats the input, and the input may hold a password.
    return str(error.errors(include_input=False)) if isinstance(error, ValidationError) else str(error)
