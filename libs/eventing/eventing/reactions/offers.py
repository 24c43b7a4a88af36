"""Offers of work to the replica that has what makes it cheap, such as the running agent of a session.

A replica subscribes to the offers of the aggregates that it has worked on, so the bus knows which one to ask. If no
replica has subscribed, or the one that had has died, the bus answers so immediately. Offers only save time: if two
replicas begin the same work, the lease decides, and what is accepted and not done is redelivered.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from uuid import UUID

from contracts.wire import durable, offer_subject
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error, NoRespondersError
from runtime.bus import BUS_ERRORS, Client
from runtime.bus.client import is_sent
from runtime.bus.pubsub import subscribe
from runtime.logging import get_logger

from eventing import metrics
from eventing.bus import wire
from eventing.bus.consumers import stream_of
from eventing.reactions.registration import Registration
from eventing.reactions.slots import Slots

log = get_logger()

OFFER_SECONDS = 0.2
"""How long a replica waits for the answer to an offer. Only a holder that hangs or is overloaded takes that long, and
to start an agent would take longer."""
MAX_SUBSCRIPTIONS = 1000
"""Aggregates of whose offers a replica is notified: those that it has worked on last."""
ACCEPTED, REFUSED = b"accepted", b"refused"
SUBJECT, ACK = "offered-subject", "offered-ack"
"""The headers of an offer with the subject of the offered message, and the subject for its acknowledgement."""

type Process = Callable[[Msg], Coroutine[Any, Any, None]]


class Offers:
    """Processes the messages of one reaction here, or hands them over to the replica that prefers them.

    `process` processes a message here. Accepted messages use the same `slots` as those that the bus delivers.
    """

    def __init__(
        self,
        service: str,
        client: Client,
        registration: Registration,
        dependencies: Any,
        slots: Slots,
        process: Process,
    ) -> None:
        self.service, self.client, self.registration, self.dependencies = service, client, registration, dependencies
        self.slots, self._process_here, self._preference = slots, process, registration.prefers
        # The only messages that an offer can have acknowledged.
        self._source = stream_of(service, registration.event), durable(service, registration.name)
        # Ordered by last use, the most recent last.
        self._subscriptions: dict[UUID, Subscription] = {}
        self._changing, self._closed = asyncio.Lock(), False

    async def process(self, message: Msg) -> None:
        """Process a message here, unless another replica accepts it."""
        aggregate = _aggregate_of(message) if self._preference else None
        if aggregate is None:
            await self._process_here(message)
        elif await self._prefers(aggregate) or not await self._hand_over(aggregate, message):
            await self._process(aggregate, message)

    async def aclose(self) -> None:
        """Accept no more offers; others learn from the bus that this replica prefers nothing."""
        self._closed = True
        async with self._changing:
            for aggregate in [*self._subscriptions]:
                await self._unsubscribe(aggregate)

    async def _process(self, aggregate: UUID, message: Msg) -> None:
        await self.subscribe(aggregate)
        await self._process_here(message)
        await self.subscribe(aggregate)  # an offer that was refused meanwhile has ended the subscription

    async def _prefers(self, aggregate: UUID) -> bool:
        try:
            async with asyncio.timeout(OFFER_SECONDS):
                return self._preference is not None and await self._preference(self.dependencies, aggregate)
        except Exception as error:  # noqa: BLE001  the work itself meets the problem, and reports it
            log.warning("preference is unknown", reaction=self.registration.name, error=repr(error))
            return False

    async def _hand_over(self, aggregate: UUID, message: Msg) -> bool:
        async with self._changing:
            await self._unsubscribe(aggregate)  # or the refusal of this replica might be the first answer
        outcome = await self._offer(aggregate, message)
        metrics.offered.labels(self.registration.name, outcome).inc()
        return outcome == "accepted"

    async def _offer(self, aggregate: UUID, message: Msg) -> str:
        headers: dict[str, Any] = {**(message.headers or {}), SUBJECT: message.subject, ACK: message.reply}
        subject = self._subject(aggregate)
        try:
            answer = await self.client.request(subject, message.data, timeout=OFFER_SECONDS, headers=headers)
        except NoRespondersError:
            return "no_holder"
        except BUS_ERRORS:
            return "no_answer"
        return "accepted" if answer.data == ACCEPTED else "refused"

    async def subscribe(self, aggregate: UUID) -> None:
        """Have the work of an aggregate offered to this replica."""

        async def receive(offer: Msg) -> None:
            self.slots.tasks.create_task(self._answer(aggregate, offer))

        async with self._changing:
            if self._closed:
                return
            if known := self._subscriptions.pop(aggregate, None):
                self._subscriptions[aggregate] = known
                return
            with suppress(*BUS_ERRORS):
                self._subscriptions[aggregate] = await subscribe(self.client, self._subject(aggregate), receive)
            if len(self._subscriptions) > MAX_SUBSCRIPTIONS:
                await self._unsubscribe(next(iter(self._subscriptions)))

    def _subject(self, aggregate: UUID) -> str:
        return offer_subject(self.service, self.registration.name, str(aggregate))

    async def _unsubscribe(self, aggregate: UUID) -> None:
        if subscription := self._subscriptions.pop(aggregate, None):
            with suppress(*BUS_ERRORS):
                await subscription.unsubscribe()

    async def _answer(self, aggregate: UUID, offer: Msg) -> None:
        accepted = await self._accept(aggregate, offer)
        with suppress(*BUS_ERRORS):
            await self.client.publish(offer.reply, ACCEPTED if accepted else REFUSED)
        if not accepted:  # the other replica has the newest state from now on
            async with self._changing:
                await self._unsubscribe(aggregate)

    async def _accept(self, aggregate: UUID, offer: Msg) -> bool:
        message = self._offered_message(offer) if is_sent(offer, self._subject(aggregate)) else None
        if message is None or _aggregate_of(message) != aggregate:
            log.warning("offer is not valid", reaction=self.registration.name, aggregate=str(aggregate))
            return False
        if not await self._prefers(aggregate) or self._closed or not await self.slots.try_acquire():
            return False
        self.slots.start(self._process(aggregate, message))
        return True

    def _offered_message(self, offer: Msg) -> Msg | None:
        """Return the message that an offer is about; None if it is not one that this reaction acknowledges."""
        headers = dict(offer.headers or {})
        message = Msg(self.client, headers.pop(SUBJECT, ""), headers.pop(ACK, ""), offer.data, headers)
        with suppress(Error, ValueError, OverflowError):
            if (message.metadata.stream, message.metadata.consumer) == self._source:
                return message
        return None


def _aggregate_of(message: Msg) -> UUID | None:
    with suppress(KeyError, ValueError):  # a message that is no event cannot be offered
        return wire.event_key(message.headers or {})[0]
    return None
