"""What a service does when it hears a fact: it sends a command, or calls the world outside.

`once`: one replica acts on each fact, with heartbeats while it works; a failure is tried again later and in the end
dead-lettered. `everywhere`: every replica hears each fact that comes while it is up, once, whatever becomes of it.
"""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast, get_args, get_type_hints

from contracts.messages import Command, Event, Query
from contracts.refusals import Code, Refusal
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NothingThere
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from runtime import ordered
from runtime.envelope import Envelope
from runtime.forever import forever
from runtime.logging import bound_contextvars, get_logger
from runtime.telemetry import span

from eventing import metrics, wire
from eventing.database import AWAY
from eventing.dispatch import Dispatcher
from eventing.recording import Recorded
from eventing.streams import DEAD_LETTERS, jetstream

log = get_logger()

ACK_WAIT = 6.0
HEARTBEAT = 2.0
DELIVERIES = 8
LONGEST_DELAY = 60.0
FETCH_TIMEOUT = 5.0
PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0)


@dataclass(frozen=True)
class Reaction[T]:
    """What a reaction works with: the service's `tools`, and a way to send what came of it back as a command."""

    tools: T
    dispatcher: Dispatcher[T]
    envelope: Envelope

    async def send[R](self, command: Command[R]) -> R:
        """Send a command to this service, because of the fact; while the database is away, again for half a minute.

        Raises as `Dispatcher.send` does.
        """
        envelope = self.envelope.follow()
        for pause in (*PAUSES, None):
            try:
                return await self.dispatcher.send(command, envelope)
            except Refusal as refusal:
                if pause != PAUSES[0] and refusal.code is Code.COMMAND_REPEATED:
                    return cast(R, None)  # it had been stored, and only the answer was lost
                raise
            except AWAY:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def ask[R](self, query: Query[R]) -> R:
        """Ask this service a query. Raises as `Dispatcher.ask` does."""
        return await self.dispatcher.ask(query, self.envelope.follow())


type React = Callable[[Any, Any], Awaitable[None]]
type AtOnce = int | Callable[[Any], int]
"""How many; or what tells so, given the service's tools."""


@dataclass(frozen=True)
class Listed:
    """A reaction and the fact it is for."""

    name: str
    fact: type[Event]
    react: React
    at_once: AtOnce

    def slots(self, tools: Any) -> int:
        """Give on how many facts a replica with these tools acts at the same time."""
        return self.at_once if isinstance(self.at_once, int) else self.at_once(tools)


@dataclass
class Reactions:
    """The reactions of a service. A reaction's first parameter says which fact it is for: `Recorded[RunRequested]`."""

    shared: list[Listed] = field(default_factory=list[Listed])
    broadcast: list[Listed] = field(default_factory=list[Listed])

    @classmethod
    def together(cls, *parts: "Reactions") -> "Reactions":
        """Give the reactions of all the parts of a room."""
        return cls(
            [listed for part in parts for listed in part.shared],
            [listed for part in parts for listed in part.broadcast],
        )

    def once[R: React](self, *, at_once: AtOnce = 16) -> Callable[[R], R]:
        """Let one replica act on each fact; a replica acts on up to `at_once` facts at the same time."""

        def register(react: R) -> R:
            self.shared.append(_listed(react, at_once))
            return react

        return register

    def everywhere[R: React](self, react: R) -> R:
        """Let every replica hear each fact."""
        self.broadcast.append(_listed(react, 1))
        return react


def _listed(react: React, at_once: AtOnce) -> Listed:
    hint = next(iter(get_type_hints(react).values()))
    return Listed(cast(Any, react).__name__, get_args(hint)[0], react, at_once)


class Reactor[T]:
    """Runs the reactions of a service, those to its own facts and those to others'."""

    def __init__(self, service: str, client: Client, dispatcher: Dispatcher[T]) -> None:
        self.service, self.client, self.dispatcher = service, client, dispatcher
        self.js = jetstream(client)
        self.in_hand: set[tuple[str, int]] = set()
        self.heard: dict[str, int] = {}

    async def work(self, listed: Listed, draining: asyncio.Event) -> None:
        """Take facts up until `draining` is set, then finish those under way; being cancelled gives them back."""
        slots = asyncio.Semaphore(listed.slots(self.dispatcher.tools))
        async with asyncio.TaskGroup() as tasks:
            # A bus that is away stops the taking, never what is under way.
            taking = tasks.create_task(forever(listed.name, lambda: self._take(listed, slots, tasks)))
            await draining.wait()
            taking.cancel()

    async def _take(self, listed: Listed, slots: asyncio.Semaphore, tasks: asyncio.TaskGroup) -> None:
        await self._make_consumer(listed)
        facts = await self.js.pull_subscribe_bind(self._durable(listed), _stream(listed))
        try:
            while True:
                await slots.acquire()
                try:
                    message = await self._next(listed, facts)
                except BaseException:
                    slots.release()
                    raise
                tasks.create_task(self._settle(listed, message)).add_done_callback(lambda _: slots.release())
        finally:
            await facts.unsubscribe()

    async def _next(self, listed: Listed, facts: JetStreamContext.PullSubscription) -> Msg:
        while True:
            try:
                [message] = await facts.fetch(1, timeout=FETCH_TIMEOUT)
            except NothingThere:
                await self._make_consumer(listed)  # one that was deleted says nothing either
            else:
                return message

    async def _make_consumer(self, listed: Listed) -> None:
        config = ConsumerConfig(
            durable_name=self._durable(listed),
            filter_subject=wire.subjects(listed.fact),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_deliver=-1,  # counted in _settle, so that a crash loop ends in the dead letters too
            max_ack_pending=1000,
        )
        await self.js.add_consumer(_stream(listed), config)

    def _durable(self, listed: Listed) -> str:
        return f"{self.service}-{listed.name}"

    async def _settle(self, listed: Listed, message: Msg) -> None:
        place = (listed.name, message.metadata.sequence.stream)
        if place in self.in_hand:  # the bus was away longer than the ack wait; the first delivery will be acknowledged
            return
        self.in_hand.add(place)
        try:
            async with _heartbeat(message):
                await self._deliver(listed, message, message.metadata.num_delivered or 1)
        except asyncio.CancelledError:
            with suppress(Error, OSError):  # else it comes again after the ack wait
                await message.nak()
            raise
        except Exception:
            # The bus did not take what became of it, so the fact comes again. The work of the others goes on.
            log.exception("a fact could not be settled", reaction=listed.name)
        finally:
            self.in_hand.discard(place)

    async def _deliver(self, listed: Listed, message: Msg, delivery: int) -> None:
        if delivery > DELIVERIES:
            await self._bury(listed, message, "the service went down at each delivery")
            return
        try:
            with metrics.reacting.labels(listed.name).track_inprogress():
                await self._react(listed, message)
        except Exception as error:
            log.exception("a reaction failed", reaction=listed.name, delivery=delivery)
            await self._database_is_back()  # an outage, however long, uses up no delivery but this
            metrics.reacted.labels(listed.name, "failed").inc()
            if delivery == DELIVERIES:
                await self._bury(listed, message, repr(error))
            else:
                await message.nak(delay=min(0.25 * 2**delivery, LONGEST_DELAY))
        else:
            metrics.reacted.labels(listed.name, "done").inc()
            await message.ack()

    async def _database_is_back(self) -> None:
        while True:
            try:
                await self.dispatcher.database.check()
            except AWAY:
                await asyncio.sleep(1)
            else:
                return

    async def hear(self, listed: Listed) -> None:
        """Listen in every replica until cancelled or something fails; started again, it goes on where it was."""
        # From the stream, not from the subject: there, one would miss what comes while the bus is away, and hear what
        # the stream refused.
        stream = _stream(listed)
        if listed.name not in self.heard:
            self.heard[listed.name] = (await self.js.stream_info(stream)).state.last_seq
        facts = ordered.messages(self.js, stream, self.heard[listed.name], wire.subjects(listed.fact))
        async with aclosing(facts) as batches:
            async for batch in batches:
                for message in batch:
                    self.heard[listed.name] = message.metadata.sequence.stream
                    await self._hear(listed, message)

    async def _hear(self, listed: Listed, message: Msg) -> None:
        try:
            await self._react(listed, message)
        except Exception:
            log.exception("a reaction failed", reaction=listed.name)

    async def _react(self, listed: Listed, message: Msg) -> None:
        recorded: Recorded[Any] = wire.read(listed.fact, message.headers or {}, message.data)
        envelope = recorded.envelope
        with bound_contextvars(correlation_id=envelope.correlation_id), span(listed.name, envelope.traceparent):
            await listed.react(recorded, Reaction(self.dispatcher.tools, self.dispatcher, envelope))

    async def _bury(self, listed: Listed, message: Msg, reason: str) -> None:
        headers = {**(message.headers or {}), "dead-reason": reason[:1000], "dead-subject": message.subject}
        headers = {name: value for name, value in headers.items() if not name.startswith("Nats-")}
        subject = f"dead.{self.service}.{listed.name}"
        headers["Nats-Msg-Id"] = f"{subject}.{message.metadata.sequence.stream}"
        await self.js.publish(subject, message.data, stream=DEAD_LETTERS, headers=cast(dict[str, Any], headers))
        log.error("dead-lettered", reaction=listed.name, subject=message.subject, reason=reason)
        metrics.reacted.labels(listed.name, "dead-lettered").inc()
        await message.term()


def _stream(listed: Listed) -> str:
    return wire.stream_of(listed.fact.subject.split(".")[1])


@asynccontextmanager
async def _heartbeat(message: Msg) -> AsyncGenerator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            with suppress(Error, OSError):  # a missed heartbeat is no reason to drop the work
                await message.in_progress()

    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
