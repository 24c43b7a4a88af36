"""Appends events of jars, and reads back the messages in a stream."""

from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream, headers_of
from runtime.testing import eventually

from eventing.store.postgres import PostgresStore
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarEvent


async def append(store: PostgresStore, *events: JarEvent, at: UUID = JAR) -> None:
    """Append events to one jar."""
    jar = Jar(at)
    for event in events:
        jar.record(event)
    jar.version = await store.database.fetchval("SELECT count(*) FROM events WHERE originator_id = $1", at)
    await store.save((jar,), Envelope.begin())


async def append_when_available(store: PostgresStore, event: JarEvent) -> None:
    """Store an event as soon as the database accepts connections."""

    async def try_append() -> bool:
        try:
            await append(store, event)
        except Exception:  # noqa: BLE001  the errors of a server that starts are of many kinds
            return False
        return True

    await eventually(try_append)


async def messages(js: JetStream, stream: str) -> list[RawStreamMsg]:
    """Return all messages in a stream, in order; none if the stream does not exist."""
    found = list[RawStreamMsg]()
    with suppress(NotFoundError):
        state = (await js.stream_info(stream)).state
        for sequence in range(max(1, state.first_seq), state.last_seq + 1):
            with suppress(NotFoundError):
                found.append(await js.get_msg(stream, seq=sequence))
    return found


async def headers(js: JetStream, stream: str) -> list[Mapping[str, str]]:
    """Return the headers of all messages in a stream, in order."""
    return [headers_of(message) for message in await messages(js, stream)]
