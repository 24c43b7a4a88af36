"""What a service does when it hears an event: it sends a command, or calls the world outside.

`shared`: one replica acts on each event, with heartbeats while it works. A failure is tried again later and in the end
dead-lettered, after `on_dead_letter` has acted on the event; one that only a newer release can read waits for it. A
service's own events come by its work stream, with their ids alone, and are read from its store. `broadcast`: every
replica hears each event that comes while it is up, once, whatever becomes of it.
"""

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from contracts.wire import dead_letter_subject, event_stream
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NothingThere
from runtime import ordered
from runtime.bus import Client, NoResponders
from runtime.forever import forever
from runtime.jetstream import PullSubscription, jetstream
from runtime.logging import bound_contextvars, get_logger
from runtime.telemetry import span

from eventing import dead_letters, metrics, wire
from eventing.consumers import Consumers, durable
from eventing.database import TRANSIENT_ERRORS
from eventing.dispatch import Dispatcher
from eventing.failures import Failures
from eventing.hold import Hold
from eventing.leases import Failed, Leases, Orphan, TakenOver, Unfinished
from eventing.reaction import Reaction
from eventing.recording import EventTooNew, Recorded
from eventing.registration import Concurrency, React, Reactions, Registration
from eventing.retrying import wait_until_available
from eventing.routing import Router
from eventing.waits import Waits
from eventing.work import Gone, stored_event

__all__ = ["Concurrency", "Gone", "Reaction", "Reactions", "Reactor", "Registration", "TakenOver", "Unfinished"]

log = get_logger()

ACK_WAIT = 6.0
HEARTBEAT = 2.0
DELIVERIES = 8
MAX_DELAY = 60.0
FETCH_TIMEOUT = 5.0


type Slots = asyncio.Semaphore


class Reactor[T]:
    """Runs the reactions of a service, those to its own events and those to others'."""

    def __init__(self, service: str, client: Client, dispatcher: Dispatcher[T], leases: Leases | None = None) -> None:
        self.service, self.client, self.dispatcher = service, client, dispatcher
        self.js, self.leases = jetstream(client), leases or Leases(dispatcher.database)
        self.consumers, self.router = Consumers(self.js, service), Router(service, dispatcher, client)
        self.failures, self.waits = Failures(), Waits(service, dispatcher.database)
        self.in_hand: set[tuple[str, int]] = set()
        self.heard: dict[str, int] = {}

    async def work(self, registration: Registration, draining: asyncio.Event) -> None:
        """Take events up until `draining` is set, then finish those under way; being cancelled gives them back."""
        slots = asyncio.Semaphore(registration.slots(self.dispatcher.dependencies))
        async with asyncio.TaskGroup() as tasks:
            # A bus that is away stops the taking, never what is under way.
            take = lambda: self.failures.noted(registration.name, self._take(registration, slots, tasks))  # noqa: E731
            taking = [tasks.create_task(forever(registration.name, take))]
            if registration.unfinished:
                sweep = partial(self._sweep, registration, registration.unfinished, slots, tasks)
                taking.append(tasks.create_task(forever(f"{registration.name} sweep", sweep)))
            await draining.wait()
            for task in taking:
                task.cancel()

    async def _take(self, registration: Registration, slots: Slots, tasks: asyncio.TaskGroup) -> None:
        await self._make_consumer(registration)
        events = await self.js.pull_subscribe_bind(
            durable(self.service, registration.name), self.consumers.stream(registration.event)
        )
        try:
            while True:
                await slots.acquire()
                try:
                    message = await self._next(registration, events)
                except BaseException:
                    slots.release()
                    raise
                if message is None:  # the place is offered to the sweep, which may wait for one
                    slots.release()
                    continue
                tasks.create_task(self._settle(registration, message)).add_done_callback(lambda _: slots.release())
        finally:
            await events.unsubscribe()

    async def _next(self, registration: Registration, events: PullSubscription) -> Msg | None:
        with suppress(NothingThere):
            [message] = await events.fetch(1, timeout=FETCH_TIMEOUT)
            return message
        await self._make_consumer(registration)  # one that was deleted says nothing either
        return None

    async def _sweep(
        self, registration: Registration, unfinished: Unfinished, slots: Slots, tasks: asyncio.TaskGroup
    ) -> None:
        async with aclosing(self.leases.sweep(registration.name, unfinished)) as orphans:
            async for orphan, first in orphans:
                if not first and slots.locked():  # most only wait in the bus for a place, and get it there
                    continue
                await slots.acquire()
                taken_up = tasks.create_task(self._take_up(registration, unfinished, orphan))
                taken_up.add_done_callback(lambda _: slots.release())

    async def _take_up(self, registration: Registration, unfinished: Unfinished, orphan: Orphan) -> None:
        try:
            stored = await self.dispatcher.store.latest(registration.event, orphan.aggregate)
            if stored is None or unfinished.work_of(stored) != orphan.work:
                return
            recorded = wire.published(stored)
            log.warning("unfinished work without a sign of life", reaction=registration.name, work=str(orphan.work))
            metrics.swept.labels(registration.name).inc()
            try:
                await self._do(registration, recorded)
            except Failed as failed:
                log.exception("a reaction failed", reaction=registration.name, delivery=failed.tries)
                if failed.tries >= DELIVERIES and registration.on_dead_letter:
                    await self._act(registration.name, registration.on_dead_letter, recorded)
        except (EventTooNew, NoResponders) as reason:
            log.info("unfinished work waits", reaction=registration.name, reason=str(reason))
        except Exception:  # it is seen again at the next look
            log.exception("unfinished work could not be taken up", reaction=registration.name)

    async def _make_consumer(self, registration: Registration) -> None:
        await self.consumers.make(registration.name, registration.event, ACK_WAIT)

    async def _settle(self, registration: Registration, message: Msg) -> None:
        place = (registration.name, message.metadata.sequence.stream)
        if place in self.in_hand:  # the bus was away longer than the ack wait; the first delivery will be acknowledged
            return
        self.in_hand.add(place)
        hold = Hold(self.client, message, HEARTBEAT, ACK_WAIT)
        try:
            async with hold.kept():
                await self._deliver(registration, hold, message.metadata.num_delivered or 1)
        except asyncio.CancelledError:
            with suppress(Error, OSError):  # else it comes again after the ack wait
                await hold.give_back()
            raise
        except Exception:
            # The bus did not take what became of it, so the event comes again. The work of the others goes on.
            log.exception("an event could not be settled", reaction=registration.name)
        finally:
            self.in_hand.discard(place)

    async def _deliver(self, registration: Registration, hold: Hold, delivery: int) -> None:
        message = hold.message
        if delivery >= DELIVERIES and not registration.unfinished:  # a lease counts its tries itself
            delivery -= await self.waits.count(registration.name, message)
        if delivery > DELIVERIES and not registration.unfinished:
            await self._dead_letter(registration, message, "the service went down at each delivery")
            return
        try:
            with metrics.reacting.labels(registration.name).track_inprogress():
                await self._react(registration, message)
        except (EventTooNew, Gone, NoResponders, TakenOver) as reason:
            await self._leave(registration, hold, reason)
        except Exception as error:
            tries = error.tries if isinstance(error, Failed) else delivery
            log.exception("a reaction failed", reaction=registration.name, delivery=tries)
            await wait_until_available(
                self.dispatcher.database
            )  # an outage, however long, uses up no delivery but this
            metrics.reacted.labels(registration.name, "failed").inc()
            if tries >= DELIVERIES and not (registration.unfinished and isinstance(error, TRANSIENT_ERRORS)):
                await self._dead_letter(registration, message, str(error) if isinstance(error, Failed) else repr(error))
            else:
                await hold.give_back(_delay(tries))
        else:
            metrics.reacted.labels(registration.name, "done").inc()
            await message.ack()

    async def _leave(self, registration: Registration, hold: Hold, reason: Exception) -> None:
        match reason:
            case EventTooNew() | NoResponders():  # the event, or one of what it is about; or the service to command
                awaited = "a newer release" if isinstance(reason, EventTooNew) else "another service"
                outcome = f"waits for {awaited}"
                waited = await self.waits.note(registration.name, hold.message, reason)
                await hold.give_back(_delay(waited))
            case Gone():
                outcome = "gone"
                log.warning("nobody acts on an event that is gone", reaction=registration.name, reason=str(reason))
                await hold.message.term()
            case _:
                outcome = "taken over"
                log.info("another replica has it", reaction=registration.name)
        metrics.reacted.labels(registration.name, outcome).inc()

    async def hear(self, registration: Registration) -> None:
        """Listen in every replica until cancelled or something fails; started again, it goes on where it was."""
        await self.failures.noted(registration.name, self._follow(registration))

    async def _follow(self, registration: Registration) -> None:
        # From the stream, not from the subject: there, one would miss what comes while the bus is away, and hear what
        # the stream refused.
        stream = event_stream(wire.service_of(registration.event))
        if registration.name not in self.heard:
            self.heard[registration.name] = (await self.js.stream_info(stream)).state.last_seq
        events = ordered.messages(self.js, stream, self.heard[registration.name], wire.subjects(registration.event))
        async with aclosing(events) as batches:
            async for batch in batches:
                for message in batch:
                    self.heard[registration.name] = message.metadata.sequence.stream
                    await self._hear(registration, message)

    async def _hear(self, registration: Registration, message: Msg) -> None:
        try:
            recorded = wire.read(registration.event, message.headers or {}, message.data)
            await self._act(registration.name, registration.react, recorded)
        except Exception:
            log.exception("a reaction failed", reaction=registration.name)

    async def _react(self, registration: Registration, message: Msg) -> None:
        await self._do(registration, await self._read(registration, message))

    async def _do(self, registration: Registration, recorded: Recorded[Any]) -> None:
        if registration.unfinished is None:
            await self._act(registration.name, registration.react, recorded)
        elif lease := await self.leases.take(registration.name, registration.unfinished, recorded):
            async with self.leases.kept(lease, _delay(lease.tries)):
                if lease.tries > DELIVERIES:
                    raise RuntimeError("the service went down at each try")
                await self._act(registration.name, registration.react, recorded)

    async def _read(self, registration: Registration, message: Msg) -> Recorded[Any]:
        if self.consumers.is_own(registration.event):
            return await stored_event(self.dispatcher.store, message.headers or {})
        return wire.read(registration.event, message.headers or {}, message.data)

    async def _act(self, name: str, react: React, recorded: Recorded[Any]) -> None:
        envelope = recorded.envelope
        with bound_contextvars(correlation_id=envelope.correlation_id), span(name, envelope.traceparent):
            await react(recorded, Reaction(self.dispatcher.dependencies, self.router, recorded, name))

    async def _lose(self, registration: Registration, message: Msg) -> None:
        """Say what is given up. A failure leaves the event where it is: it comes again after the ack wait."""
        try:
            recorded = await self._read(registration, message)
        except (KeyError, ValueError, Gone):  # nobody can say what was lost
            return
        if registration.on_dead_letter:
            await self._act(registration.name, registration.on_dead_letter, recorded)

    async def _dead_letter(self, registration: Registration, message: Msg, reason: str) -> None:
        await self._lose(registration, message)
        await dead_letters.publish(self.js, dead_letter_subject(self.service, registration.name), message, reason)
        log.error("dead-lettered", reaction=registration.name, subject=message.subject, reason=reason)
        metrics.reacted.labels(registration.name, "dead-lettered").inc()
        await message.term()


def _delay(tries: int) -> float:
    return min(0.25 * 2 ** min(tries, DELIVERIES), MAX_DELAY)
