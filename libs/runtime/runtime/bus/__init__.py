"""The client side of the bus: send a command or a query to a service, and return its result or raise its refusal."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, cast
from uuid import UUID

import nats.errors
from contracts.messages import Accepted, Command, Faulted, Query, Refused, Reply, reply_adapter, result_type
from contracts.wire import RESOURCE_OWNER
from pydantic import TypeAdapter, ValidationError

from runtime import telemetry
from runtime.bus.client import Client as Client
from runtime.bus.client import NotPermitted
from runtime.bus.envelope import Envelope
from runtime.in_flight import begun
from runtime.logging import get_logger
from runtime.starting import CannotContinue
from runtime.telemetry import SpanKind

log = get_logger()

BUS_ERRORS = (nats.errors.Error, OSError)
"""Errors that operations on the bus raise while it is unavailable; a timeout is an OSError."""
CONNECT_TIMEOUT = 30.0
FLUSH_TIMEOUT = 5.0
"""Seconds a publish waits for space in a full buffer. Without it, nats-py waits forever if the connection is closed."""
VERSION_HEADER = "aggregate-version"
"""The header of an answer with the version of the aggregate that a query names."""
CHECK_TIMEOUT = 1
"""Seconds that each of the two pings of a health check waits for its answer."""
RETRY_AFTER = 0.4
"""The fraction of the timeout after which an unanswered query is sent a second time."""


class Unavailable(Exception):
    """The service did not answer, or its answer was a fault."""


class NoResponders(Unavailable):
    """No replica of the service is connected, so nothing was done."""


class Closed(Unavailable, CannotContinue):
    """The bus closed the connection for good."""


class OutcomeUnknown(Unavailable):
    """A command failed, but may have been carried out; sending it again with a new id may carry it out twice."""


class Answer[R](NamedTuple):
    """A result, with the version of the aggregate that was changed or queried, and the owner of the changed one."""

    result: R
    version: int | None = None
    owner: UUID | None = None


@dataclass(frozen=True)
class _Received:
    """A reply, with the version and the owner of the aggregate; the owner also of one that is denied."""

    reply: Reply[Any]
    version: int | None
    owner: UUID | None


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncGenerator[Client]:
    """Connect to NATS as the service `name`. A lost connection is re-established in the background.

    Raises:
        TimeoutError: no server answered within 30 s.
    """

    async def log_error(error: Exception) -> None:
        log.warning("bus error", error=repr(error))

    client = Client()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await client.connect(  # pyright: ignore[reportUnknownMemberType]  its callbacks have no types
                url,
                name=name,
                error_cb=log_error,
                connect_timeout=2,
                reconnect_time_wait=0.25,  # pyright: ignore[reportArgumentType]  used as a float
                max_reconnect_attempts=-1,
                ping_interval=5,
                max_outstanding_pings=2,
                flush_timeout=FLUSH_TIMEOUT,
            )
        yield client
    finally:
        with suppress(Exception):  # closing fails in many ways when the server is gone
            await client.close()


async def wait_until_closed(client: Client) -> None:
    """Wait until the connection is closed for good; a lost connection is re-established and does not count.

    Raises:
        Closed: the server did so, as after a protocol violation or when the credentials are no longer valid.
    """
    while not client.is_closed:  # noqa: ASYNC110  nats-py has no event for it
        await asyncio.sleep(1)
    raise Closed(f"the bus closed the connection: {client.last_error}")


class Bus:
    """Sends commands and queries to services, by request and reply."""

    def __init__(self, client: Client, *, timeout: float = 5.0) -> None:
        self.client, self.timeout = client, timeout

    async def ask[R](self, message: Command[R] | Query[R], envelope: Envelope) -> R:
        """Send a command or a query to its service and return the result. Raises as `request` does."""
        return (await self.request(message, envelope)).result

    async def request[R](self, message: Command[R] | Query[R], envelope: Envelope) -> Answer[R]:
        """Send a command or a query to its service; return the answer, with the version if the envelope asks for it.

        A query whose answer is late or a fault is sent a second time, since another replica may be healthy. A command
        is sent once.

        Raises:
            Refusal: the service refused it.
            OutcomeUnknown: a command was not answered within the timeout, or the answer was a fault.
            NoResponders: no replica of the service is connected.
            Unavailable: a query was not answered, or the answer was a fault; or the message is too large, or not
                permitted.
        """
        with telemetry.span("request", SpanKind.CLIENT, destination=message.subject):
            return await self._request(message, envelope.within(self.timeout))

    async def _request[R](self, message: Command[R] | Query[R], envelope: Envelope) -> Answer[R]:
        ask = partial(self._ask, message, envelope)
        try:
            async with asyncio.timeout(self.timeout):  # the timeout covers sending, too
                answer = await (self._ask_again_if_late(ask) if isinstance(message, Query) else ask())
        except nats.errors.NoRespondersError:
            raise NoResponders(f"{message.subject}: NoRespondersError") from None
        except (nats.errors.MaxPayloadError, NotPermitted) as error:
            raise Unavailable(f"{message.subject}: {type(error).__name__}") from None
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise _failed(type(message), type(error).__name__) from None
        match answer.reply:
            case Accepted(result=result):
                return Answer(cast(R, result), answer.version, answer.owner)
            case Refused() as refused:
                raise refused.refusal(answer.owner)
            case fault:
                raise _failed(type(message), fault.detail)

    async def _ask(self, message: Command[Any] | Query[Any], envelope: Envelope) -> _Received:
        answer = await self.client.request(
            message.subject,
            message.encoded(),
            timeout=self.timeout,
            headers=cast(dict[str, Any], envelope.headers()),
        )
        version, owner = ((answer.headers or {}).get(name) for name in (VERSION_HEADER, RESOURCE_OWNER))
        reply = _read(type(message), answer.data)
        return _Received(reply, int(version) if version else None, UUID(owner) if owner else None)

    async def _ask_again_if_late(self, ask: Callable[[], Coroutine[Any, Any, _Received]]) -> _Received:
        attempts = [begun(ask())]
        try:
            await asyncio.wait(attempts, timeout=self.timeout * RETRY_AFTER)
            if not _answered(attempts[0]):
                attempts.append(begun(ask()))
            while not any(map(_answered, attempts)) and (
                pending := [attempt for attempt in attempts if not attempt.done()]
            ):
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            return next(filter(_answered, attempts), attempts[-1]).result()
        finally:
            if late := [attempt for attempt in attempts if attempt.cancel()]:
                await asyncio.gather(*late, return_exceptions=True)

    async def check(self) -> None:
        """Check that the bus answers (a health check).

        Raises:
            Unavailable, nats.errors.Error, OSError: it does not.
        """
        if not self.client.is_connected:
            raise Unavailable("not connected")
        await self.client.flush(CHECK_TIMEOUT)


def _failed(message: type[Command[Any] | Query[Any]], reason: str) -> Unavailable:
    kind = OutcomeUnknown if issubclass(message, Command) else Unavailable
    return kind(f"{message.subject}: {reason}")


def _answered(attempt: asyncio.Task[_Received]) -> bool:
    return attempt.done() and not attempt.exception() and not isinstance(attempt.result().reply, Faulted)


def _read(message: type[Command[Any] | Query[Any]], answer: bytes) -> Reply[Any]:
    try:
        # During an upgrade, the answer of a newer release may have fields that this one does not know.
        return _replies(message).validate_json(answer, extra="ignore")
    except ValidationError as error:  # its text would repeat the answer, which may be private
        raise _failed(message, f"the answer is not valid ({error.error_count()} errors)") from None


@cache
def _replies(message: type[Command[Any] | Query[Any]]) -> TypeAdapter[Reply[Any]]:
    return reply_adapter(result_type(message))
