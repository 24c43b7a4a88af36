"""Messages that every service answers besides its own.

That is whether it is ready, which events it has stored, and how far it follows those of another service.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from contracts.messages import (
    FeedItem,
    FeedPage,
    FeedQuery,
    ProjectedQuery,
    feed_query,
    ping_query,
    projected_query,
)
from pydantic_core import from_json
from runtime.bus import Answer
from runtime.http.health import Health, is_healthy

from eventing.bus import wire
from eventing.database import Database
from eventing.handling.subscribers import Handle, Message
from eventing.projectors.checkpoint import Checkpoint
from eventing.projectors.projector import Projector
from eventing.relay.position import CURSOR, format_cursor, parse_cursor
from eventing.store import START, FeedEntry
from eventing.store.postgres import PostgresStore

PAGE_SIZE, PAGE_BYTES = 500, 2**20
"""Limits of the stored events that one page looks at; a larger event is a page of its own."""
STORES = ("database", "bus")
SEE_SERVICE = "not ready; /health/ready of the service itself says why"


def operations(
    service: str, store: PostgresStore, health: Health, projectors: Sequence[Projector] = ()
) -> Mapping[Message, Handle]:
    """Return the handlers of these queries, for a service with these projectors."""
    return {
        ping_query(service): partial(_report, health),
        feed_query(service): partial(_page, service, store),
        projected_query(service): partial(_projected, store.database, projectors),
    }


async def _projected(
    database: Database, projectors: Sequence[Projector], query: ProjectedQuery, *_: object
) -> Answer[str | None]:
    names = [projector.name for projector in projectors if projector.source.service == query.source]
    cursors = [(await Checkpoint.read(database, name)).cursor or START for name in names]
    return Answer(format_cursor(min(cursors)) if cursors else None)


async def _report(health: Health, *_: object) -> Answer[dict[str, str]]:
    report = await health.report()
    # Clients of the gateway see this: other reasons may name databases, users and addresses.
    return Answer({name: text if is_healthy(text) or name in STORES else SEE_SERVICE for name, text in report.items()})


async def _page(service: str, store: PostgresStore, query: FeedQuery, *_: object) -> Answer[FeedPage]:
    return Answer(await read_page(service, store, query))


async def read_page(service: str, store: PostgresStore, query: FeedQuery) -> FeedPage:
    """Return the published events that are stored after a cursor, as they are on the bus, without erased ones.

    Raises:
        EventTooNew: only a newer release can read the next event.
    """
    after = parse_cursor({CURSOR: query.after}) or START
    entries = await store.entries(after, PAGE_SIZE, PAGE_BYTES)
    found = [entry for entry in entries if isinstance(entry, FeedEntry) and _is_wanted(entry, query)]
    items = [_item(service, entry, query) for entry in found]
    return FeedPage(items=items, reached=format_cursor(entries[-1].cursor) if entries else query.after)


def _is_wanted(entry: FeedEntry, query: FeedQuery) -> bool:
    event = entry.recorded.event
    return event.published and (query.kinds is None or event.subject in query.kinds)


def _item(service: str, entry: FeedEntry, query: FeedQuery) -> FeedItem:
    headers = wire.headers(entry.recorded, service) | {CURSOR: format_cursor(entry.cursor)}
    body: Any = None if query.headers_only else from_json(entry.recorded.event.model_dump_json())
    return FeedItem(headers=headers, body=body)
