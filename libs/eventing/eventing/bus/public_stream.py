"""Publishes events in their public form as CloudEvents (NATS binding, binary mode), for programs of users."""

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.wire import PUBLIC_PREFIX, PUBLIC_STREAM, public_subject
from nats.errors import NoRespondersError
from nats.js.errors import NoStreamResponseError, NotFoundError
from runtime.bus.jetstream import JetStream

if TYPE_CHECKING:  # it loads the events of all services: 5 MB, of which most services need nothing
    from contracts.public_event import PublicEvent

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"


async def exists(js: JetStream) -> bool:
    """Return whether anybody has asked for public events: identity creates their stream for the first bus user."""
    try:
        await js.stream_info(PUBLIC_STREAM)
    except NotFoundError:
        return False
    return True


async def publish(js: JetStream, event: "PublicEvent", text: str) -> bool:
    """Publish an event, whose data is `text`; the server drops it if it has it already.

    Returns:
        Whether the stream exists.
    """
    subject = public_subject(str(event.owner), event.type, str(event.belongs_to or event.resource))
    try:
        await js.publish(subject, text.encode(), stream=PUBLIC_STREAM, headers=headers(event))
    except (NoStreamResponseError, NoRespondersError):
        return False
    return True


def headers(event: "PublicEvent") -> dict[str, str]:
    """Return the attributes of the CloudEvent, and the id by which the server recognises one that it has."""
    return {
        "Nats-Msg-Id": event.id,
        "ce-specversion": SPEC_VERSION,
        "ce-id": event.id,
        "ce-type": event.type,
        "ce-source": f"/{event.service}",
        "ce-subject": str(event.resource),
        "ce-time": event.time,
        "ce-datacontenttype": CONTENT_TYPE,
        "ce-dataschema": f"urn:agentapi:{PUBLIC_PREFIX}:{event.type}",
    }


async def erase(js: JetStream, id: UUID) -> None:
    """Remove all events that belong to a deleted resource."""
    with suppress(NotFoundError):
        await js.purge_stream(PUBLIC_STREAM, subject=public_subject("*", "*.*", str(id)))
