"""The durable consumers that deliver to the replicas of a service the events to react to."""

from contracts.messages import Event
from contracts.wire import durable, event_stream, work_stream
from nats.js.api import AckPolicy, ConsumerConfig
from runtime.bus.jetstream import JetStream

from eventing.bus import wire
from eventing.bus.missing import stream_required

MAX_UNACKNOWLEDGED = 100_000
"""Messages in progress or awaiting redelivery after which the bus delivers no others."""


def stream_of(service: str, kind: type[Event]) -> str:
    """Return the stream that delivers events of a kind to a service: its work stream, if it records them itself."""
    source = wire.service_of(kind)
    return work_stream(service) if source == service else event_stream(source)


class Consumers:
    """The consumers of one service. Its own events come from its work stream, others from event streams."""

    def __init__(self, js: JetStream, service: str) -> None:
        self.js, self.service = js, service

    def is_own(self, kind: type[Event]) -> bool:
        """Return whether the service itself records events of this kind."""
        return wire.service_of(kind) == self.service

    def stream(self, kind: type[Event]) -> str:
        """Return the stream that delivers events of a kind."""
        return stream_of(self.service, kind)

    def subjects(self, kind: type[Event]) -> str:
        """Return the filter for events of a kind in that stream."""
        return wire.work_subjects(kind) if self.is_own(kind) else wire.subjects(kind)

    async def create(self, reaction: str, kind: type[Event], ack_wait: float) -> None:
        """Create the consumer of a reaction unless it exists. It redelivers after `ack_wait` s without a heartbeat.

        Raises:
            StreamMissing: the service that records the events has not started yet.
        """
        config = ConsumerConfig(
            durable_name=durable(self.service, reaction),
            filter_subject=self.subjects(kind),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait,
            max_deliver=-1,  # unlimited: the reactor counts, so that a crash loop is dead-lettered too
            max_ack_pending=MAX_UNACKNOWLEDGED,
        )
        with stream_required(self.stream(kind)):
            await self.js.add_consumer(self.stream(kind), config)

    async def pending(self, reaction: str, kind: type[Event]) -> int:
        """Return how many events the consumer of a reaction has not delivered yet.

        Raises:
            nats.js.errors.NotFoundError: it does not exist.
        """
        info = await self.js.consumer_info(self.stream(kind), durable(self.service, reaction))
        return info.num_pending or 0
