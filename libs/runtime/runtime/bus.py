"""The client side of the bus: ask a service something and get its answer, a refusal, or an honest "not now"."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from typing import Any, cast

import nats.aio.client
import nats.errors
from contracts.messages import Accepted, Command, Faulted, Query, Refused, Reply, reply_adapter, result_type
from contracts.refusals import Refusal
from pydantic import TypeAdapter, ValidationError

from runtime.envelope import Envelope
from runtime.logging import get_logger

log = get_logger()

BUS_ERRORS = (nats.errors.Error, OSError)
"""What anything that goes over the bus may raise while that is away; a timeout is an OSError."""
CONNECT_TIMEOUT = 30.0
FLUSH_TIMEOUT = 5.0
"""For a publish that finds its buffer full; without it, nats-py waits for ever when the connection is closed then."""


SECOND_TRY = 0.4
"""The part of the time after which a question without an answer is asked a second time."""


class Unavailable(Exception):
    """Nobody answered, or the answer was a fault."""


class NoResponders(Unavailable):
    """No replica of the service was there to take the message, so nothing was done."""


class OutcomeUnknown(Unavailable):
    """It was a command, and may have been carried out all the same: to send it anew may do it twice."""


class Client(nats.aio.client.Client):
    """A connection to the bus."""

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publish a message.

        Raises:
            MaxPayloadError: the server would not take it.
        """
        # The server counts the headers too, and nats-py does not: it would be thrown out, and never connect again.
        lines = ["NATS/1.0", *(f"{name}: {value}" for name, value in headers.items()), ""] if headers else []
        if len(payload) + sum(len(line.encode()) + 2 for line in lines) > self.max_payload:
            raise nats.errors.MaxPayloadError
        await super().publish(subject, payload, reply, headers)


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncGenerator[Client]:
    """Connect to NATS, and stay connected: later losses are mended in the background.

    Raises:
        TimeoutError: there is no server after 30 s.
    """

    async def note(error: Exception) -> None:
        log.warning("bus error", error=repr(error))

    client = Client()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await client.connect(  # pyright: ignore[reportUnknownMemberType]  its callbacks have no types
                url,
                name=name,
                error_cb=note,
                connect_timeout=2,
                reconnect_time_wait=0.25,  # pyright: ignore[reportArgumentType]  used as a float
                max_reconnect_attempts=-1,
                ping_interval=5,
                max_outstanding_pings=2,
                flush_timeout=FLUSH_TIMEOUT,
            )
        yield client
    finally:
        with suppress(Exception):  # without a server, nats-py fails in many ways at saying goodbye to it
            await client.close()


async def as_long_as_connected(client: Client) -> None:
    """Wait until cancelled. A connection that is merely away comes back.

    Raises:
        Unavailable: the server ended it for good, as it does with a client that breaks the rules.
    """
    while not client.is_closed:  # noqa: ASYNC110  nats-py has no event for it
        await asyncio.sleep(1)
    raise Unavailable(f"the bus ended the connection: {client.last_error}")


class Bus:
    """Asks services by request and reply."""

    def __init__(self, client: Client, *, timeout: float = 5.0) -> None:
        self.client, self.timeout = client, timeout

    async def ask[R](self, message: Command[R] | Query[R], envelope: Envelope) -> R:
        """Send a command or a query to its service and return the result.

        A query whose answer is late, or a fault, is asked once more: another replica may be well. A command is not.

        Raises:
            Refusal: the service said no.
            OutcomeUnknown: it did not answer a command within the timeout, or failed at it.
            NoResponders: nobody was there to take the message.
            Unavailable: it did not answer a query, or failed at it; or the message is too large.
        """
        ask = partial(self._ask, message, envelope.within(self.timeout))
        try:
            async with asyncio.timeout(self.timeout):  # sending takes part of the time
                reply = await (self._twice(ask) if isinstance(message, Query) else ask())
        except nats.errors.NoRespondersError:
            raise NoResponders(f"{message.subject}: NoRespondersError") from None
        except nats.errors.MaxPayloadError:
            raise Unavailable(f"{message.subject}: MaxPayloadError") from None
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise _failed(type(message), type(error).__name__) from None
        match reply:
            case Accepted(result=result):
                return cast(R, result)
            case Refused(code=code, detail=detail):
                raise Refusal(code, detail)
            case fault:
                raise _failed(type(message), fault.detail)

    async def _ask(self, message: Command[Any] | Query[Any], envelope: Envelope) -> Reply[Any]:
        answer = await self.client.request(
            message.subject,
            message.model_dump_json().encode(),
            timeout=self.timeout,
            headers=cast(dict[str, Any], envelope.headers()),
        )
        return _read(type(message), answer.data)

    async def _twice(self, ask: Callable[[], Coroutine[Any, Any, Reply[Any]]]) -> Reply[Any]:
        tries = [asyncio.create_task(ask())]  # noqa: TID251  not in a TaskGroup, which would wrap what is raised
        try:
            await asyncio.wait(tries, timeout=self.timeout * SECOND_TRY)
            if not _answered(tries[0]):
                tries.append(asyncio.create_task(ask()))  # noqa: TID251
            while not any(map(_answered, tries)) and (under_way := [one for one in tries if not one.done()]):
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            return next(filter(_answered, tries), tries[-1]).result()
        finally:
            for one in tries:
                one.cancel()
            await asyncio.gather(*tries, return_exceptions=True)

    async def check(self) -> None:
        """Raise when the bus does not answer (a health check)."""
        if not self.client.is_connected:
            raise Unavailable("not connected")
        await self.client.flush(1)


def _failed(message: type[Command[Any] | Query[Any]], reason: str) -> Unavailable:
    kind = OutcomeUnknown if issubclass(message, Command) else Unavailable
    return kind(f"{message.subject}: {reason}")


def _answered(asked: asyncio.Task[Reply[Any]]) -> bool:
    return asked.done() and not asked.exception() and not isinstance(asked.result(), Faulted)


def _read(message: type[Command[Any] | Query[Any]], answer: bytes) -> Reply[Any]:
    try:
        return _replies(message).validate_json(answer)
    except ValidationError as error:  # its own text would repeat the answer
        raise _failed(message, f"an answer that cannot be read, {error.error_count()} errors") from None


@cache
def _replies(message: type[Command[Any] | Query[Any]]) -> TypeAdapter[Reply[Any]]:
    return reply_adapter(result_type(message))
