"""Reads the events of another service from its table, over the bus: those that the stream has dropped, too."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import cast

from contracts.messages import FeedItem, feed_query
from pydantic_core import to_json
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream, client_of

from eventing.relay.position import CURSOR, format_cursor, parse_cursor
from eventing.store import START, Cursor

TIMEOUT = 10.0
"""Seconds within which the source has to answer each query."""


class SourceUnavailable(Exception):
    """The source does not send its events."""


@dataclass(frozen=True)
class SourceEvent:
    """A published event, as in a message of the stream."""

    headers: Mapping[str, str]
    data: bytes

    @classmethod
    def of(cls, item: FeedItem) -> "SourceEvent":
        """Return the event of an item of a page."""
        return cls(item.headers, to_json(item.body))

    @property
    def cursor(self) -> Cursor | None:
        """Its position in the feed."""
        return parse_cursor(self.headers)


@dataclass(frozen=True)
class SourcePage:
    """Events in the order of the feed; all up to the cursor `reached` were looked at."""

    events: list[SourceEvent]
    reached: Cursor


@dataclass(frozen=True)
class Source:
    """The stored events of a service: of some `kinds`, or of all; without their content, if `headers_only`."""

    service: str
    kinds: list[str] | None
    headers_only: bool

    async def pages(self, js: JetStream, after: Cursor | None) -> AsyncGenerator[SourcePage]:
        """Yield the events after a cursor, up to those that are stored when the last page is read.

        Raises:
            SourceUnavailable: the service does not answer.
        """
        bus, query = Bus(cast(Client, client_of(js)), timeout=TIMEOUT), feed_query(self.service)
        cursor = after or START
        while True:
            asked = query(after=format_cursor(cursor), kinds=self.kinds, headers_only=self.headers_only)
            try:
                page = await bus.ask(asked, Envelope.begin())
            except Unavailable as error:
                raise SourceUnavailable(f"{self.service} does not send its stored events: {error}") from None
            reached = parse_cursor({CURSOR: page.reached}) or cursor
            if reached == cursor:
                return
            cursor = reached
            yield SourcePage([SourceEvent.of(item) for item in page.items], cursor)
