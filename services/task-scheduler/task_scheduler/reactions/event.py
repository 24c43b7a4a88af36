"""Starts tasks on events of the sessions and executions of their owner."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts.messages import Event
from contracts.preview import truncate_value
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.event import FindEventStarts
from contracts.task_scheduler.execution import ExecutionEvent, StartOnEvent
from contracts.task_scheduler.values import Variables
from contracts.wire import event_name
from eventing.reactions import Reaction, Reactions, Registration
from eventing.recording import Recorded
from runtime import clock
from runtime.logging import get_logger

from task_scheduler.dependencies import Dependencies
from task_scheduler.events import KINDS

log = get_logger()

MAX_AGE = timedelta(hours=1)
"""Older events start nothing: whoever waits for them after a long outage would be surprised."""
