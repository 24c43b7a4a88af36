"""Starts tasks on events of their owner's sessions and executions."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid5

from contracts.messages import Event
from contracts.preview import numeric_usage, truncate_value
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.event import FindEventStarts
from contracts.task_scheduler.execution import ExecutionTimedOut, StartOnEvent
from contracts.task_scheduler.values import Variables
from contracts.wire import event_name
from eventing.bus.wire import EventHeaders
from eventing.reactions import Reaction, Reactions, Registration
from eventing.recording import Recorded
from runtime.logging import get_logger

from task_scheduler.dependencies import Dependencies
from task_scheduler.event_starts import starting
from task_scheduler.events import KINDS

log = get_logger()

MAX_AGE = timedelta(hours=1)
"""Older events start nothing: they are those of a long outage, or from before this service existed."""
CONCURRENCY = 16
"""Events of a kind at the same time, of those that start tasks."""
NOT_STARTED = frozenset({Code.TASK_NOT_FOUND, Code.USER_INACTIVE, Code.USER_NOT_FOUND})
"""Refusals of a task that was deleted meanwhile, or whose owner was disabled or deleted."""

reactions = Reactions()


async def concerning(events: Sequence[EventHeaders], dependencies: Dependencies) -> list[bool]:
    """Return which of the events start tasks."""
    return await starting(events, dependencies.database)


async def start_tasks(recorded: Recorded[Any], reaction: Reaction[Dependencies]) -> None:
    """Start the tasks of the event's owner that start on such events, each on behalf of the owner."""
    if reaction.now() - recorded.at > MAX_AGE:
        return
    name = event_name(recorded.event.subject)
    found = FindEventStarts(user_id=recorded.owner, event=name, at=recorded.at, source_id=recorded.id)
    starts = await reaction.ask(found)
    for task_id in starts.task_ids:
        execution_id = uuid5(task_id, f"event {recorded.id} {recorded.version}")
        variables, chain = _variables(name, recorded), starts.chain
        await _start(
            StartOnEvent(task_id=task_id, execution_id=execution_id, event=name, variables=variables, chain=chain),
            reaction,
        )
    if starts.more:
        log.warning("more tasks would start on an event than may", name=name, started=len(starts.task_ids))


async def _start(command: StartOnEvent, reaction: Reaction[Dependencies]) -> None:
    try:
        await reaction.send(command, on_behalf_of=reaction.recorded.owner)
    except Refusal as refusal:
        if refusal.code not in NOT_STARTED:
            raise
        log.warning("task not started on event", task=str(command.task_id), name=command.event, code=refusal.code)


def _variables(name: str, recorded: Recorded[Event]) -> Variables:
    """Return the variables of an execution: the name of the event, ids that belong to it, and its fields."""
    source = "execution_id" if name.startswith("task.") else "session_id"
    fields = numeric_usage(recorded.event.model_dump(mode="json"))
    ids = {key: fields[key] for key in ("task_id", "session_id", "run_id") if fields.get(key)}
    return {"event": name, **ids, source: str(recorded.id), "payload": truncate_value(fields)}


for _kind in KINDS:
    # A kind of own event has one shared reaction: that to `ExecutionTimedOut` cancels the run, and calls this one.
    if _kind is not ExecutionTimedOut:
        _name = f"start_on_{event_name(_kind.subject).replace('.', '_')}"
        reactions.add(Registration(_name, _kind, start_tasks, CONCURRENCY, concerning=concerning))
