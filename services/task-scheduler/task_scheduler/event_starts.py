"""Whether events start tasks at all: most do not, so this is read for many events at once."""

from collections.abc import Sequence

from contracts.wire import event_name
from eventing.bus.wire import EventHeaders
from eventing.database import Database

FIND = """
    SELECT user_id, event FROM unnest($1::uuid[], $2::text[]) AS asked (user_id, event)
    WHERE EXISTS (
        SELECT FROM event_starts AS start
        WHERE start.user_id = asked.user_id AND start.event = asked.event AND isfinite(start.since))"""


async def starting(events: Sequence[EventHeaders], database: Database) -> list[bool]:
    """Return which of the events start tasks of their owners that are not paused.

    Nothing is kept between two reads. So a task counts as soon as it is stored, whichever replica has stored it.
    """
    pairs = [(event.owner, event_name(event.subject)) for event in events]
    rows = await database.fetch(FIND, *map(list, zip(*set(pairs), strict=True)))
    found = {(row["user_id"], row["event"]) for row in rows}
    return [pair in found for pair in pairs]
