"""Publishes events without a service that records them."""

from typing import Any, cast
from uuid import UUID

from contracts.messages import Event
from runtime import clock
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream

from eventing.bus import wire
from eventing.recording import Recorded


async def publish(
    js: JetStream, event: Event, *, at: UUID | None = None, envelope: Envelope | None = None, **headers: str
) -> Recorded[Any]:
    """Publish an event as the relay of its service would, as the first one of an aggregate.

    Returns:
        The recorded event, as a consumer reads it.
    """
    id = at or clock.new_id()
    recorded = Recorded(id, 1, clock.now(), event, envelope or Envelope.begin(), id)
    service = event.subject.split(".")[1]
    all_headers = wire.headers(recorded, service) | {name.replace("_", "-"): value for name, value in headers.items()}
    await js.publish(
        wire.subject(recorded), event.model_dump_json().encode(), headers=cast(dict[str, Any], all_headers)
    )
    return wire.read(type(event), all_headers, event.model_dump_json().encode())
