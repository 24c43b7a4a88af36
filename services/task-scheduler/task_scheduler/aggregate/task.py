"""Task: a prompt template that is executed on a schedule, on a request or on an event."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.refusals import Code
from contracts.secrets import unmasked
from contracts.task_scheduler import TaskEvent
from contracts.task_scheduler.task import (
    LifecycleEvent,
    TaskChanged,
    TaskCreated,
    TaskDeleted,
    TaskEnvironmentSet,
    TaskPaused,
    TaskResumed,
)
from contracts.task_scheduler.trigger import TriggerSecretsSet
from contracts.task_scheduler.values import PauseReason, TaskDefinition
from eventing.aggregate import Aggregate

from task_scheduler.aggregate.backfill import Backfill, Backfilling
from task_scheduler.aggregate.schedule import Scheduling
from task_scheduler.aggregate.slots import Slots
from task_scheduler.aggregate.trigger import Triggering


class Task(Aggregate[TaskEvent], Scheduling, Slots, Backfilling, Triggering):
    """A task: its life cycle. The base classes decide and fold the other subjects."""

    missing = Code.TASK_NOT_FOUND
    secrets = {"environment": TaskEnvironmentSet, "trigger_secrets": TriggerSecretsSet}

    definition: TaskDefinition
    environment: dict[str, str]
    active: list[UUID]
    waiting: list[UUID]

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.environment = {}
        self.paused: PauseReason | None = None
        self.last_tick: datetime | None = None
        self.next_tick: datetime | None = None
        self.active, self.waiting = [], []
        self.backfill: Backfill | None = None
        self.triggers, self.trigger_secrets = {}, {}

    @property
    def owner(self) -> UUID:
        """The user who created the task."""
        return self.user_id

    @property
    def unfinished(self) -> list[UUID]:
        """The executions that have not ended."""
        backfill = [self.backfill_execution] if self.backfill_execution else []
        return [*self.active, *self.waiting, *backfill]

    def create(self, user_id: UUID, definition: TaskDefinition, now: datetime) -> None:
        """Create the task; its schedule starts with the first tick after `now`.

        Raises:
            Refusal: VARIABLE_NOT_SET, INVALID_SCHEDULE, INVALID_TIMEZONE.
        """
        variables, tick = self._variables(definition), self._first_tick(definition, now)
        due_at = self._next_due_at(definition, tick)
        self.record(TaskCreated(user_id=user_id, definition=_masked(definition), next_tick=tick, next_due_at=due_at))
        self._set_environment(variables)

    def change(self, definition: TaskDefinition, now: datetime) -> None:
        """Change the definition; a changed schedule continues with its first tick after `now`.

        Records nothing if nothing changes. A change of nothing but values of `env`, which are masked in the event, is
        an event, too.

        Raises:
            Refusal: VARIABLE_NOT_SET, INVALID_SCHEDULE, INVALID_TIMEZONE.
        """
        variables, after = self._variables(definition), _masked(definition)
        if after.model_dump() != self.definition.model_dump() or variables != self.environment:
            tick = self._tick_after_change(after, now)
            due_at = self._next_due_at(after, tick)
            self.record(TaskChanged(user_id=self.user_id, definition=after, next_tick=tick, next_due_at=due_at))
        self._set_environment(variables)

    def pause(self) -> None:
        """Pause the task. Records nothing if it is paused already."""
        if not self.paused:
            self.record(TaskPaused(reason="requested"))

    def resume(self, now: datetime) -> None:
        """Resume the task; its schedule continues with the first tick after `now`. Records nothing if not paused."""
        if self.paused:
            tick = self._first_tick(self.definition, now)
            self.record(TaskResumed(next_tick=tick, next_due_at=self._next_due_at(self.definition, tick)))

    def delete(self) -> None:
        """Delete the task. Its executions that have not ended are cancelled in the same append."""
        self.record(TaskDeleted(user_id=self.user_id))

    def _tick_after_change(self, after: TaskDefinition, now: datetime) -> datetime | None:
        if _ticks(after) == _ticks(self.definition):
            return self.next_tick
        tick = self._first_tick(after, now)
        return None if self.paused else tick

    def _variables(self, definition: TaskDefinition) -> dict[str, str]:
        env = definition.sdk_options.env or {}
        return unmasked(env, self.environment, Code.VARIABLE_NOT_SET, "sdk_options.env")

    def _set_environment(self, variables: dict[str, str]) -> None:
        if variables != self.environment:
            self.record(TaskEnvironmentSet(variables=variables))

    def apply_lifecycle(self, event: LifecycleEvent) -> None:
        """Fold one event of the task's life cycle."""
        match event:
            case TaskCreated():
                self.user_id, self.definition, self.next_tick = event.user_id, event.definition, event.next_tick
            case TaskChanged():
                self.definition, self.next_tick = event.definition, event.next_tick
            case TaskEnvironmentSet():
                self.environment = event.variables
            case TaskPaused():
                self.paused, self.next_tick = event.reason, None
            case TaskResumed():
                self.paused, self.next_tick = None, event.next_tick
            case TaskDeleted():
                self.deleted, self.next_tick = True, None
                self.active, self.waiting, self.backfill = [], [], None
            case _:
                assert_never(event)


def _masked(definition: TaskDefinition) -> TaskDefinition:
    return definition.model_copy(update={"sdk_options": definition.sdk_options.masked()})


def _ticks(definition: TaskDefinition) -> tuple[bool, str | None, str]:
    """Return the fields that determine the ticks."""
    return definition.is_scheduled, definition.schedule_cron, definition.schedule_timezone
