"""Handlers of queries about triggers."""

from contracts.messages import Page
from contracts.task_scheduler.trigger import GetTrigger, ListTriggers, TriggerView
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing

from task_scheduler.dependencies import Context
from task_scheduler.queries.tables import TRIGGERS, visible

COLUMNS = ", ".join(TriggerView.model_fields)


def _view(row: Row) -> TriggerView:
    return TriggerView(**row)


LISTING = Listing(TRIGGERS, COLUMNS, _view)

answers = Handlers()


@answers
async def get_trigger(query: GetTrigger, context: Context) -> TriggerView:
    """Return a trigger."""
    await visible(query.task_id, context)
    return _view(await TRIGGERS.fetch(COLUMNS, query.trigger_id, context, task_id=query.task_id))


@answers
async def list_triggers(query: ListTriggers, context: Context) -> Page[TriggerView]:
    """Return the triggers of a task, newest first."""
    await visible(query.task_id, context)
    return await LISTING.page(query, context, Filters(), within=Filters(task_id=query.task_id))
