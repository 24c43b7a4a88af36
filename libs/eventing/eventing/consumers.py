"""The durable consumers from which the replicas of a service take what to react to."""

from contracts.messages import Event
from contracts.wire import event_stream, work_stream
from nats.js.api import AckPolicy, ConsumerConfig
from runtime.jetstream import JetStream

from eventing import wire

MAX_UNSETTLED = 100_000
"""How many may be in hand, or wait to be tried again, until the bus hands out no other."""


def durable(service: str, reaction: str) -> str:
    """Return the name of the consumer that the replicas of a service share."""
    return f"{service}-{reaction}"


class Consumers:
    """The consumers of one service: its own events come from its work stream, others' from theirs, body included."""

    def __init__(self, js: JetStream, service: str) -> None:
        self.js, self.service = js, service

    def is_own(self, kind: type[Event]) -> bool:
        """Whether the service itself records events of this kind."""
        return wire.service_of(kind) == self.service

    def stream(self, kind: type[Event]) -> str:
        """Return the stream that events of a kind come from."""
        return work_stream(self.service) if self.is_own(kind) else event_stream(wire.service_of(kind))

    def subjects(self, kind: type[Event]) -> str:
        """Return the filter for events of a kind in that stream."""
        return wire.work_subjects(kind) if self.is_own(kind) else wire.subjects(kind)

    async def make(self, reaction: str, kind: type[Event], ack_wait: float) -> None:
        """Create the consumer of a reaction, if it is not there; it hands a message out again after `ack_wait` s."""
        config = ConsumerConfig(
            durable_name=durable(self.service, reaction),
            filter_subject=self.subjects(kind),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait,
            max_deliver=-1,  # the reactor counts, so that a crash loop ends in the dead letters too
            max_ack_pending=MAX_UNSETTLED,
        )
        await self.js.add_consumer(self.stream(kind), config)
