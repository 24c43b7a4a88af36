"""Runs the reactions of a service: an event leads to a command, or to a call to the outside world.

A shared reaction runs in one replica for each event, with heartbeats while it works. A failure is retried later and
dead-lettered in the end, after `on_dead_letter` has run, but that of a persistent reaction is retried for ever; an
event that only a newer release can read is postponed. The service's own events arrive through its work stream, as keys
alone, and are read from its store. A broadcast reaction runs in every replica for each event that is published while it
is up, and a local one in the replica that has stored the event; both are never retried.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from contracts.wire import dead_letter_subject, durable
from nats.aio.msg import Msg
from nats.errors import Error
from runtime import telemetry
from runtime.bus import Client
from runtime.bus.jetstream import jetstream
from runtime.forever import forever
from runtime.logging import bound_contextvars, get_logger
from runtime.telemetry import SpanKind

from eventing import metrics, tracing
from eventing.bus import dead_letters, wire
from eventing.bus.consumers import Consumers
from eventing.bus.message_lease import MessageLease
from eventing.database import TRANSIENT_ERRORS
from eventing.failures import Failures
from eventing.handling.dispatch import Dispatcher
from eventing.handling.routing import Router
from eventing.leases import POSTPONED, AttemptFailed, Leases, OrphanedWork, TakenOver, UnfinishedWork
from eventing.reactions import persistence
from eventing.reactions.broadcasts import Broadcasts
from eventing.reactions.deliveries import Deliveries, start_each
from eventing.reactions.offers import Offers, Process
from eventing.reactions.postponements import Postponements
from eventing.reactions.reaction import Reaction
from eventing.reactions.registration import Concurrency, React, Reactions, Registration
from eventing.reactions.slots import Slots
from eventing.reactions.suspects import Suspects
from eventing.recording import Recorded
from eventing.relay.work_stream import EventGone, stored_event
from eventing.retrying import wait_until_available

__all__ = [
    "Concurrency",
    "EventGone",
    "React",
    "Reaction",
    "Reactions",
    "Reactor",
    "Registration",
    "TakenOver",
    "UnfinishedWork",
]

log = get_logger()

ACK_WAIT = 6.0
"""Seconds without a heartbeat after which the bus redelivers a message."""
HEARTBEAT = 2.0
MAX_DELIVERIES = 8
MAX_DELAY = 60.0
MAX_YIELD_SECONDS = 0.2
"""How long a reaction leaves its next event to the due times while these are behind. It is not stopped altogether, even
if they never catch up."""

type Source = Callable[[], Awaitable[None]]


class Reactor[T]:
    """Runs the reactions of one replica, to the service's own events and to those of other services."""

    def __init__(
        self,
        service: str,
        client: Client,
        dispatcher: Dispatcher[T],
        leases: Leases | None = None,
        due_times_caught_up: asyncio.Event | None = None,
    ) -> None:
        self.service, self.client, self.dispatcher = service, client, dispatcher
        self.js, self.leases = jetstream(client), leases or Leases(dispatcher.database)
        self.consumers, self.router = Consumers(self.js, service), Router(service, dispatcher, client)
        self.due_times_caught_up = due_times_caught_up
        self.failures, self.suspects = Failures(), Suspects()
        self.postponements = Postponements(service, dispatcher.database)
        self.broadcasts = Broadcasts(self.js, self.act)
        self.in_progress: set[tuple[str, int]] = set()
        self.offers: dict[str, Offers] = {}

    async def work(self, registration: Registration, draining: asyncio.Event) -> None:
        """Run a shared reaction until `draining` is set, then finish the events in progress.

        Cancelling it returns those events to the bus.
        """
        dependencies = self.dispatcher.dependencies
        async with asyncio.TaskGroup() as tasks:
            slots = Slots(registration.slots(dependencies), tasks)
            process = partial(self._process, registration)
            async with aclosing(
                Offers(self.service, self.client, registration, dependencies, slots, process)
            ) as offers:
                self.offers[registration.name] = offers
                sources = self._sources(registration, slots, offers.process)
                running = [tasks.create_task(forever(name, source)) for name, source in sources.items()]
                await draining.wait()
                for source in running:
                    source.cancel()

    def _sources(self, registration: Registration, slots: Slots, process: Process) -> dict[str, Source]:
        """Return what finds events to process, by name: the bus and the sweep."""
        # An unavailable bus stops the fetching, never the events in progress.
        fetch = lambda: self.failures.track(registration.name, self._fetch(registration, slots, process))  # noqa: E731
        sources: dict[str, Source] = {registration.name: fetch}
        if registration.unfinished:
            sources[f"{registration.name} sweep"] = partial(self._sweep, registration, registration.unfinished, slots)
        return sources

    async def _fetch(self, registration: Registration, slots: Slots, process: Process) -> None:
        await self._create_consumer(registration)
        events = await self.js.pull_subscribe_bind(
            durable(self.service, registration.name), self.consumers.stream(registration.event)
        )
        deliveries = Deliveries(registration, events, self.dispatcher.dependencies)
        try:
            while True:
                await slots.acquire()
                try:
                    await self._yield_to_due_times()
                    messages = await deliveries.next()
                except BaseException:
                    slots.release()
                    raise
                await start_each(messages or [], slots, process, HEARTBEAT)
                if messages is None:  # a deleted consumer looks the same as one without messages
                    await self._create_consumer(registration)
        finally:
            await events.unsubscribe()

    async def _yield_to_due_times(self) -> None:
        if self.due_times_caught_up:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.due_times_caught_up.wait(), MAX_YIELD_SECONDS)

    async def _sweep(self, registration: Registration, unfinished: UnfinishedWork, slots: Slots) -> None:
        async with aclosing(self.leases.sweep(registration.name, unfinished)) as orphans:
            async for orphan, first in orphans:
                if not first and slots.full:  # most orphans only wait in the bus for a slot, and get one there
                    continue
                await slots.acquire()
                slots.start(self._resume(registration, unfinished, orphan))

    async def _resume(self, registration: Registration, unfinished: UnfinishedWork, orphan: OrphanedWork) -> None:
        try:
            stored = await self.dispatcher.store.latest(registration.event, orphan.aggregate)
            if stored is None and registration.after:
                await persistence.remove(registration.name, orphan.aggregate, self.dispatcher.database)
            if stored is None or unfinished.work_of(stored) != orphan.work:
                return
            recorded = wire.as_published(stored)
            if not registration.after:  # persistent work waits for its time, and for another attempt
                log.warning("orphaned work resumed", reaction=registration.name, work=str(orphan.work))
                metrics.swept.labels(registration.name).inc()
            await self._attempt(registration, recorded)
        except Exception:  # the next sweep finds it again
            log.exception("orphaned work could not be resumed", reaction=registration.name)

    async def _attempt(self, registration: Registration, recorded: Recorded[Any]) -> None:
        """Run a reaction whose work the sweep finds again, unless it succeeds."""
        try:
            await self._run(registration, recorded)
        except AttemptFailed as failed:
            log.exception("reaction failed", reaction=registration.name, attempt=failed.attempt)
            metrics.reacted.labels(registration.name, "failed").inc()
            if failed.attempt >= MAX_DELIVERIES and registration.on_dead_letter:
                await self.act(registration.name, registration.on_dead_letter, recorded)
        except (*POSTPONED, TakenOver) as reason:
            log.info("work postponed", reaction=registration.name, reason=str(reason))

    async def _create_consumer(self, registration: Registration) -> None:
        await self.consumers.create(registration.name, registration.event, ACK_WAIT)

    async def _process(self, registration: Registration, message: Msg) -> None:
        key = (registration.name, message.metadata.sequence.stream)
        # While the bus was unavailable for longer than the ack wait; the delivery in progress will acknowledge it.
        if key in self.in_progress:
            return
        self.in_progress.add(key)
        lease = MessageLease(self.client, message, HEARTBEAT, ACK_WAIT)
        try:
            async with lease.heartbeats():
                await self._deliver(registration, lease, message.metadata.num_delivered or 1)
        except asyncio.CancelledError:
            with suppress(Error, OSError):  # it is redelivered after the ack wait otherwise
                await lease.nak()
            raise
        except Exception:
            # The bus did not accept the outcome, so the event is redelivered. Other events are not affected.
            log.exception("event could not be acknowledged", reaction=registration.name)
        finally:
            self.in_progress.discard(key)

    async def _deliver(self, registration: Registration, lease: MessageLease, delivery: int) -> None:
        if delivery >= MAX_DELIVERIES and not registration.unfinished:  # work under a lease counts its own attempts
            delivery -= await self.postponements.count(registration.name, lease.message)
        is_suspect = not registration.unfinished and delivery > MAX_DELIVERIES
        try:
            with metrics.reacting.labels(registration.name).track_inprogress(), self.suspects.turn(is_suspect):
                if is_suspect:  # crashes during the attempts of others add to the deliveries
                    await self.postponements.begin_attempt(registration.name, lease.message)
                await self._react(registration, await self._read(registration, lease.message))
        except (*POSTPONED, EventGone, TakenOver) as reason:
            await self._skip(registration, lease, reason)
        except Exception as error:
            attempt = error.attempt if isinstance(error, AttemptFailed) else delivery
            log.exception("reaction failed", reaction=registration.name, attempt=attempt)
            await self._retry_or_dead_letter(registration, lease, attempt, error)
        else:
            metrics.reacted.labels(registration.name, "done").inc()
            await lease.message.ack()

    async def _retry_or_dead_letter(
        self, registration: Registration, lease: MessageLease, attempt: int, error: Exception
    ) -> None:
        await wait_until_available(self.dispatcher.database)  # so an outage, however long, uses up only this delivery
        metrics.reacted.labels(registration.name, "failed").inc()
        if attempt >= MAX_DELIVERIES and not (registration.unfinished and isinstance(error, TRANSIENT_ERRORS)):
            reason = str(error) if isinstance(error, AttemptFailed) else repr(error)
            await self._dead_letter(registration, lease.message, reason)
        else:
            await lease.nak(_delay(attempt))

    async def _skip(self, registration: Registration, lease: MessageLease, reason: Exception) -> None:
        outcome = await self.postponements.skip(registration.name, lease, reason, _delay)
        metrics.reacted.labels(registration.name, outcome).inc()

    async def replay(self, registration: Registration, message: Msg) -> None:
        """React to a message that was dead-lettered. Raises what the reaction raises."""
        recorded = await self._read(registration, message)
        # An earlier release did not store what a reaction that is persistent now has to do.
        await persistence.add(registration.name, recorded, registration.after, self.dispatcher.database)
        await self._run(registration, recorded)

    async def follow(self, registration: Registration) -> None:
        """Run a broadcast reaction until cancelled or something fails; if called again, it continues where it was."""
        await self.failures.track(registration.name, self.broadcasts.follow(registration))

    async def _react(self, registration: Registration, recorded: Recorded[Any]) -> None:
        # From here on, the sweep finds what a persistent reaction has to do, so the bus may forget the event.
        await persistence.add(registration.name, recorded, registration.after, self.dispatcher.database)
        await (self._attempt if registration.after else self._run)(registration, recorded)

    async def _run(self, registration: Registration, recorded: Recorded[Any]) -> None:
        if registration.unfinished is None:
            await self.act(registration.name, registration.react, recorded)
        elif lease := await self.leases.acquire(registration.name, registration.unfinished, recorded):
            suspected = 0 if registration.after else lease.attempt - MAX_DELIVERIES
            async with self.leases.hold(lease, _delay(lease.attempt)):
                with self.suspects.attempt(suspected):
                    await self.act(registration.name, registration.react, recorded)
                if registration.after:
                    name, again, database = registration.name, registration.again, self.dispatcher.database
                    await persistence.complete(name, recorded, again, database)

    async def _read(self, registration: Registration, message: Msg) -> Recorded[Any]:
        if self.consumers.is_own(registration.event):
            return await stored_event(self.dispatcher.store, message.headers or {})
        return wire.read(registration.event, message.headers or {}, message.data)

    async def act(self, name: str, react: React, recorded: Recorded[Any]) -> None:
        """Run a reaction for an event. Raises what the reaction raises."""
        subject, parent = recorded.event.subject, recorded.envelope.traceparent
        with (
            bound_contextvars(**tracing.log_ids_of(recorded)),
            telemetry.span(name, SpanKind.CONSUMER, destination=subject, parent=parent),
        ):
            await react(recorded, Reaction(self.dispatcher.dependencies, self.router, recorded, name, self.offers))

    async def _before_dead_letter(self, registration: Registration, message: Msg) -> None:
        try:
            recorded = await self._read(registration, message)
        except (KeyError, ValueError, EventGone):  # an event that cannot be read cannot be passed on
            return
        if registration.on_dead_letter:
            await self.act(registration.name, registration.on_dead_letter, recorded)

    async def _dead_letter(self, registration: Registration, message: Msg, reason: str) -> None:
        await self._before_dead_letter(registration, message)
        await dead_letters.publish(self.js, dead_letter_subject(self.service, registration.name), message, reason)
        log.error("event dead-lettered", reaction=registration.name, subject=message.subject, reason=reason)
        metrics.reacted.labels(registration.name, "dead-lettered").inc()
        await message.term()


def _delay(attempts: int) -> float:
    return min(0.25 * 2 ** min(attempts, MAX_DELIVERIES), MAX_DELAY)
