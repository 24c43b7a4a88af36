"""All messages about the start of tasks on events, except the command that starts one, which is about executions."""

from datetime import datetime
from uuid import UUID

from contracts.messages import Message, Query
from contracts.samples import SESSION, TIME, USER


class EventStarts(Message):
    """The tasks that start on an event, oldest first; `more` if there are others, which exceed the limit.

    `chain` names the tasks whose executions led to the event, the first one first.
    """

    task_ids: list[UUID]
    more: bool
    chain: list[UUID]


class FindEventStarts(Query[EventStarts]):
    """Return the tasks of a user that start on an event, which was recorded `at` the time.

    `source_id` is the session or the execution that the event belongs to.
    """

    subject = "qry.task_scheduler.find_event_starts"
    senders = ()
    sample = {"user_id": USER, "event": "session.run_failed", "at": TIME, "source_id": SESSION}

    user_id: UUID
    event: str
    at: datetime
    source_id: UUID
