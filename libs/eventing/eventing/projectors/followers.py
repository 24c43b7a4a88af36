"""How far other services have projected the events of this one: what they have not may not be erased yet."""

from collections.abc import Sequence
from typing import cast

from contracts.messages import projected_query
from contracts.wire import event_stream
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream, client_of
from runtime.logging import get_logger

from eventing.relay.position import CURSOR, last_headers, parse_cursor
from eventing.store import END, START, Cursor

log = get_logger()


async def projected_by_all(js: JetStream, service: str, followers: Sequence[str]) -> Cursor:
    """Return the cursor up to which all followers have projected the events of a service.

    A follower that does not answer counts as one that has projected nothing.
    """
    if not followers:
        return END
    published = parse_cursor(await last_headers(js, await js.stream_info(event_stream(service))) or {})
    return min([await _projected_by(js, service, each, published) for each in followers])


async def _projected_by(js: JetStream, service: str, follower: str, published: Cursor | None) -> Cursor:
    query = projected_query(follower)(source=service)
    try:
        answer = await Bus(cast(Client, client_of(js))).ask(query, Envelope.begin())
    except Unavailable as error:
        log.warning("a service does not say which events it has projected", service=follower, error=str(error))
        return START
    if answer is None:
        return END
    cursor = parse_cursor({CURSOR: answer}) or START
    return END if published and cursor >= published else cursor  # later events are not published: nobody follows them
