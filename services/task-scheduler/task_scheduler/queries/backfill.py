"""Handlers of queries about backfills."""

from datetime import datetime

from contracts.messages import Page
from contracts.task_scheduler.backfill import BackfillView, GetBackfill, ListBackfills, ListCompletedTicks
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing

from task_scheduler.dependencies import Context
from task_scheduler.queries.tables import BACKFILLS, visible

COLUMNS = ", ".join(BackfillView.model_fields)
COMPLETED_TICKS = """
    SELECT DISTINCT scheduled_for FROM executions
    WHERE task_id = $1 AND status = 'completed' AND scheduled_for = ANY($2)"""


def _view(row: Row) -> BackfillView:
    return BackfillView(**row)


LISTING = Listing(BACKFILLS, COLUMNS, _view)

answers = Handlers()


@answers
async def get_backfill(query: GetBackfill, context: Context) -> BackfillView:
    """Return a backfill."""
    await visible(query.task_id, context)
    return _view(await BACKFILLS.fetch(COLUMNS, query.backfill_id, context, task_id=query.task_id))


@answers
async def list_backfills(query: ListBackfills, context: Context) -> Page[BackfillView]:
    """Return the backfills of a task, newest first."""
    await visible(query.task_id, context)
    return await LISTING.page(query, context, Filters(), within=Filters(task_id=query.task_id))


@answers
async def list_completed_ticks(query: ListCompletedTicks, context: Context) -> list[datetime]:
    """Return those of the ticks that were completed."""
    await visible(query.task_id, context)
    rows = await context.database.fetch(COMPLETED_TICKS, query.task_id, query.ticks)
    return [row["scheduled_for"] for row in rows]
