"""What a service does when it hears a fact: it sends a command, or calls the world outside.

`once`: one replica acts on each fact, with heartbeats while it works; a failure is tried again later and in the end
dead-lettered, after `lost` has acted on that; what only a newer release can read waits for it. A service's own facts
come by its work stream, with their ids alone, and are read from its store. `everywhere`: every replica hears each fact
that comes while it is up, once, whatever becomes of it.
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
from runtime.bus import Client
from runtime.forever import forever
from runtime.jetstream import PullSubscription, jetstream
from runtime.logging import bound_contextvars, get_logger
from runtime.telemetry import span

from eventing import dead_letters, metrics, wire
from eventing.consumers import Consumers, durable
from eventing.database import AWAY
from eventing.dispatch import Dispatcher
from eventing.failures import Failures
from eventing.hold import Hold
from eventing.leases import Failed, Leases, Orphan, TakenOver, Unfinished
from eventing.listed import AtOnce, Listed, React, Reactions
from eventing.patience import until_back
from eventing.reaction import Reaction
from eventing.recording import EventNewer, Recorded
from eventing.waits import Waits
from eventing.work import Gone, stored_event

__all__ = ["AtOnce", "Gone", "Listed", "Reaction", "Reactions", "Reactor", "TakenOver", "Unfinished"]

log = get_logger()

ACK_WAIT = 6.0
HEARTBEAT = 2.0
DELIVERIES = 8
LONGEST_DELAY = 60.0
FETCH_TIMEOUT = 5.0


type Slots = asyncio.Semaphore


class Reactor[T]:
    """Runs the reactions of a service, those to its own facts and those to others'."""

    def __init__(self, service: str, client: Client, dispatcher: Dispatcher[T], leases: Leases | None = None) -> None:
        self.service, self.client, self.dispatcher = service, client, dispatcher
        self.js, self.leases = jetstream(client), leases or Leases(dispatcher.database)
        self.consumers = Consumers(self.js, service)
        self.failures, self.waits = Failures(), Waits(service, dispatcher.database)
        self.in_hand: set[tuple[str, int]] = set()
        self.heard: dict[str, int] = {}

    async def work(self, listed: Listed, draining: asyncio.Event) -> None:
        """Take facts up until `draining` is set, then finish those under way; being cancelled gives them back."""
        slots = asyncio.Semaphore(listed.slots(self.dispatcher.tools))
        async with asyncio.TaskGroup() as tasks:
            # A bus that is away stops the taking, never what is under way.
            take = lambda: self.failures.noted(listed.name, self._take(listed, slots, tasks))  # noqa: E731
            taking = [tasks.create_task(forever(listed.name, take))]
            if listed.unfinished:
                sweep = partial(self._sweep, listed, listed.unfinished, slots, tasks)
                taking.append(tasks.create_task(forever(f"{listed.name} sweep", sweep)))
            await draining.wait()
            for task in taking:
                task.cancel()

    async def _take(self, listed: Listed, slots: Slots, tasks: asyncio.TaskGroup) -> None:
        await self._make_consumer(listed)
        facts = await self.js.pull_subscribe_bind(
            durable(self.service, listed.name), self.consumers.stream(listed.fact)
        )
        try:
            while True:
                await slots.acquire()
                try:
                    message = await self._next(listed, facts)
                except BaseException:
                    slots.release()
                    raise
                if message is None:  # the place is offered to the sweep, which may wait for one
                    slots.release()
                    continue
                tasks.create_task(self._settle(listed, message)).add_done_callback(lambda _: slots.release())
        finally:
            await facts.unsubscribe()

    async def _next(self, listed: Listed, facts: PullSubscription) -> Msg | None:
        with suppress(NothingThere):
            [message] = await facts.fetch(1, timeout=FETCH_TIMEOUT)
            return message
        await self._make_consumer(listed)  # one that was deleted says nothing either
        return None

    async def _sweep(self, listed: Listed, unfinished: Unfinished, slots: Slots, tasks: asyncio.TaskGroup) -> None:
        async with aclosing(self.leases.sweep(listed.name, unfinished)) as orphans:
            async for orphan, first in orphans:
                if not first and slots.locked():  # most only wait in the bus for a place, and get it there
                    continue
                await slots.acquire()
                taken_up = tasks.create_task(self._take_up(listed, unfinished, orphan))
                taken_up.add_done_callback(lambda _: slots.release())

    async def _take_up(self, listed: Listed, unfinished: Unfinished, orphan: Orphan) -> None:
        try:
            recorded = await self.dispatcher.store.latest(listed.fact, orphan.aggregate)
            if recorded is None or unfinished.work_of(recorded) != orphan.work:
                return
            log.warning("unfinished work without a sign of life", reaction=listed.name, work=str(orphan.work))
            metrics.swept.labels(listed.name).inc()
            try:
                await self._do(listed, wire.published(recorded))
            except Failed as failed:
                log.exception("a reaction failed", reaction=listed.name, delivery=failed.tries)
                if failed.tries >= DELIVERIES and listed.lost:
                    await self._act(listed.name, listed.lost, recorded)
        except EventNewer as newer:
            log.info("waits for a newer release", reaction=listed.name, reason=str(newer))
        except Exception:  # it is seen again at the next look
            log.exception("unfinished work could not be taken up", reaction=listed.name)

    async def _make_consumer(self, listed: Listed) -> None:
        await self.consumers.make(listed.name, listed.fact, ACK_WAIT)

    async def _settle(self, listed: Listed, message: Msg) -> None:
        place = (listed.name, message.metadata.sequence.stream)
        if place in self.in_hand:  # the bus was away longer than the ack wait; the first delivery will be acknowledged
            return
        self.in_hand.add(place)
        hold = Hold(self.client, message, HEARTBEAT, ACK_WAIT)
        try:
            async with hold.kept():
                await self._deliver(listed, hold, message.metadata.num_delivered or 1)
        except asyncio.CancelledError:
            with suppress(Error, OSError):  # else it comes again after the ack wait
                await hold.give_back()
            raise
        except Exception:
            # The bus did not take what became of it, so the fact comes again. The work of the others goes on.
            log.exception("a fact could not be settled", reaction=listed.name)
        finally:
            self.in_hand.discard(place)

    async def _deliver(self, listed: Listed, hold: Hold, delivery: int) -> None:
        message = hold.message
        if delivery > DELIVERIES and not listed.unfinished:  # a lease counts its tries itself
            delivery -= await self.waits.count(listed.name, message)
        if delivery > DELIVERIES and not listed.unfinished:
            await self._bury(listed, message, "the service went down at each delivery")
            return
        try:
            with metrics.reacting.labels(listed.name).track_inprogress():
                await self._react(listed, message)
        except (EventNewer, Gone, TakenOver) as reason:
            await self._leave(listed, hold, reason)
        except Exception as error:
            tries = error.tries if isinstance(error, Failed) else delivery
            log.exception("a reaction failed", reaction=listed.name, delivery=tries)
            await until_back(self.dispatcher.database)  # an outage, however long, uses up no delivery but this
            metrics.reacted.labels(listed.name, "failed").inc()
            if tries >= DELIVERIES and not (listed.unfinished and isinstance(error, AWAY)):
                await self._bury(listed, message, str(error) if isinstance(error, Failed) else repr(error))
            else:
                await hold.give_back(_delay(tries))
        else:
            metrics.reacted.labels(listed.name, "done").inc()
            await message.ack()

    async def _leave(self, listed: Listed, hold: Hold, reason: Exception) -> None:
        match reason:
            case EventNewer():  # the event, or one of what it is about
                outcome = "waits for a newer release"
                waited = await self.waits.note(listed.name, hold.message, reason)
                await hold.give_back(_delay(waited))
            case Gone():
                outcome = "gone"
                log.warning("nobody acts on an event that is gone", reaction=listed.name, reason=str(reason))
                await hold.message.term()
            case _:
                outcome = "taken over"
                log.info("another replica has it", reaction=listed.name)
        metrics.reacted.labels(listed.name, outcome).inc()

    async def hear(self, listed: Listed) -> None:
        """Listen in every replica until cancelled or something fails; started again, it goes on where it was."""
        await self.failures.noted(listed.name, self._follow(listed))

    async def _follow(self, listed: Listed) -> None:
        # From the stream, not from the subject: there, one would miss what comes while the bus is away, and hear what
        # the stream refused.
        stream = event_stream(wire.service_of(listed.fact))
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
            recorded = wire.read(listed.fact, message.headers or {}, message.data)
            await self._act(listed.name, listed.react, recorded)
        except Exception:
            log.exception("a reaction failed", reaction=listed.name)

    async def _react(self, listed: Listed, message: Msg) -> None:
        await self._do(listed, await self._read(listed, message))

    async def _do(self, listed: Listed, recorded: Recorded[Any]) -> None:
        if listed.unfinished is None:
            await self._act(listed.name, listed.react, recorded)
        elif lease := await self.leases.take(listed.name, listed.unfinished, recorded):
            async with self.leases.kept(lease, _delay(lease.tries)):
                if lease.tries > DELIVERIES:
                    raise RuntimeError("the service went down at each try")
                await self._act(listed.name, listed.react, recorded)

    async def _read(self, listed: Listed, message: Msg) -> Recorded[Any]:
        if self.consumers.is_own(listed.fact):
            return await stored_event(self.dispatcher.store, message.headers or {})
        return wire.read(listed.fact, message.headers or {}, message.data)

    async def _act(self, name: str, react: React, recorded: Recorded[Any]) -> None:
        envelope = recorded.envelope
        with bound_contextvars(correlation_id=envelope.correlation_id), span(name, envelope.traceparent):
            await react(recorded, Reaction(self.dispatcher.tools, self.dispatcher, envelope))

    async def _lose(self, listed: Listed, message: Msg) -> None:
        """Say what is given up. A failure leaves the fact where it is: it comes again after the ack wait."""
        try:
            recorded = await self._read(listed, message)
        except (KeyError, ValueError, Gone):  # nobody can say what was lost
            return
        if listed.lost:
            await self._act(listed.name, listed.lost, recorded)

    async def _bury(self, listed: Listed, message: Msg, reason: str) -> None:
        await self._lose(listed, message)
        await dead_letters.publish(self.js, dead_letter_subject(self.service, listed.name), message, reason)
        log.error("dead-lettered", reaction=listed.name, subject=message.subject, reason=reason)
        metrics.reacted.labels(listed.name, "dead-lettered").inc()
        await message.term()


def _delay(tries: int) -> float:
    return min(0.25 * 2 ** min(tries, DELIVERIES), LONGEST_DELAY)
