"""Handlers of queries about the start of tasks on events. They are sent by the service itself, for no user."""

from uuid import UUID

from contracts.task_scheduler.event import EventStarts, FindEventStarts
from eventing.handling import Handlers
from eventing.handling.reading import Filters

from task_scheduler.dependencies import Context
from task_scheduler.queries.tables import EVENT_STARTS

MAX_STARTS = 20, 5, 3, 2, 2, 1
"""Tasks that one event may start, by the number of tasks that led to it.

If each could start 20, a single event could lead to 20 x 19 x 18 x 17 x 16 executions, each of which costs money.
"""
CHAIN = """
    SELECT array_append(chain, task_id) FROM executions
    WHERE id = $1 OR session_id = $1 OR id = (SELECT execution_id FROM earlier_attempts WHERE session_id = $1)"""

answers = Handlers()


@answers
async def find_event_starts(query: FindEventStarts, context: Context) -> EventStarts:
    """Return the tasks that an event starts; without any, this is one read of an index."""
    filters = Filters(user_id=query.user_id, event=query.event)
    filters.add("since < {}", query.at)
    rows, more = await EVENT_STARTS.first("task_id", MAX_STARTS[0], filters, context)
    chain: list[UUID] = await context.database.fetchval(CHAIN, query.source_id) or [] if rows else []
    # Tasks that would start themselves again, which is recorded, take no place of others.
    task_ids = sorted((row["task_id"] for row in rows), key=lambda id: (id in chain, id))
    limit = MAX_STARTS[len(chain)]
    return EventStarts(task_ids=task_ids[:limit], more=more or len(task_ids) > limit, chain=chain)
