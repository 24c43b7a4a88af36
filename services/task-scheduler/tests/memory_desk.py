"""The command handlers of the task-scheduler service on a store in memory, with a clock that the test sets."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from contracts.messages import Actor, Command, Event, Query
from contracts.refusals import Code, Refusal
from contracts.samples import EXECUTION, SESSION, TASK, USER
from contracts.task_scheduler.attempt import EndAttempt
from contracts.task_scheduler.execution import ExecuteTask
from contracts.task_scheduler.task import CreateTask
from contracts.task_scheduler.values import ExecutionStatus, TaskDefinition, Variables
from eventing.handling import UnitOfWork
from eventing.handling.locks import Locks
from eventing.store import START
from eventing.store.memory import MemoryStore
from runtime.bus.envelope import Envelope
from task_scheduler.aggregate import Execution, Task
from task_scheduler.handlers import handles

OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(SESSION), role="user")
ADMIN = Actor(user_id=UUID(SESSION), role="admin")
TASK_ID = UUID(TASK)
NOON = datetime.fromisoformat("2026-11-26T12:00:00Z")


def definition(**fields: Any) -> TaskDefinition:
    """Return the definition of a task that is executed on request only."""
    return TaskDefinition.model_validate({"name": "one", "prompt_template": "Do it.", **fields})


def hourly(**fields: Any) -> TaskDefinition:
    """Return the definition of a task that is executed at each full hour."""
    return definition(is_scheduled=True, schedule_cron="@hourly", **fields)


def execution_id(name: str) -> UUID:
    """Return the id of the execution that a test calls `name`."""
    return uuid5(UUID(EXECUTION), name)


@dataclass(frozen=True)
class Text:
    """A rendered prompt."""

    text: str


class Placeholders:
    """Renders `{{name}}` and nothing else."""

    async def render(self, template: str, variables: Variables, _user_id: UUID) -> Text:
        if missing := [name for name in await self.check(template, _user_id) if name not in variables]:
            raise Refusal(Code.VARIABLES_MISSING, f"Missing: {missing}.")
        return Text(re.sub(r"{{(\w+)}}", lambda found: str(variables[found[1]]), template))

    async def check(self, template: str, _user_id: UUID) -> list[str]:
        if template.count("{{") != template.count("}}"):
            raise Refusal(Code.TEMPLATE_INVALID, "prompt_template: a brace is missing.")
        return re.findall(r"{{(\w+)}}", template)


class NoExecutions:
    """A read model without executions."""

    async def started_by_events(self, _user_id: UUID, _since: datetime, _limit: int) -> int:
        return 0


@dataclass(frozen=True)
class OnlyPrompts:
    """Dependencies that render prompts, and know of no executions."""

    prompts: Placeholders
    executions: NoExecutions
    event_executions_per_hour: int = 1


class MemoryDesk:
    """The handlers, used by `OWNER` unless another actor is named; `now` is their time."""

    def __init__(self, now: datetime = NOON) -> None:
        self.store, self.now = MemoryStore({**Task.events, **Execution.events}), now

    async def _ask(self, query: Query[Any], envelope: Envelope) -> Any:
        raise AssertionError(f"the handler asks {query}")

    @asynccontextmanager
    async def work(self, actor: Actor = OWNER) -> AsyncGenerator[UnitOfWork[Any]]:
        """Open a unit of work for a command."""
        dependencies, envelope = OnlyPrompts(Placeholders(), NoExecutions()), Envelope.begin(actor=actor)
        async with UnitOfWork[Any](self.store, envelope, dependencies, Locks(), self._ask) as work:
            work.now = self.now
            yield work

    async def put(self, command: Command[Any], actor: Actor = OWNER) -> None:
        """Handle a command."""
        async with self.work(actor) as work:
            await handles.by_type[type(command)](command, work)

    async def create(self, definition: TaskDefinition, actor: Actor = OWNER) -> None:
        """Create the task."""
        await self.put(CreateTask(task_id=TASK_ID, definition=definition), actor)

    async def execute(self, name: str, **variables: Any) -> UUID:
        """Execute the task on request; return the id of the execution."""
        id = execution_id(name)
        await self.put(ExecuteTask(task_id=TASK_ID, execution_id=id, variables=variables))
        return id

    async def end(self, id: UUID, code: Code | None = None, attempt: int = 1) -> None:
        """End an attempt of an execution."""
        await self.put(EndAttempt(execution_id=id, attempt=attempt, error_code=code, error_detail="no luck"))

    async def task(self) -> Task:
        """Return the task."""
        return await self.store.load(Task, TASK_ID)

    async def execution(self, id: UUID) -> Execution:
        """Return an execution."""
        return await self.store.load(Execution, id)

    async def status(self, id: UUID) -> ExecutionStatus:
        """Return the status of an execution."""
        return (await self.execution(id)).status

    async def executions(self) -> list[Execution]:
        """Return all executions, in the order of their creation."""
        created = [entry.recorded for entry in await self.store.feed(START, 10_000)]
        ids = [each.id for each in created if each.event.subject == "evt.task_scheduler.execution_created"]
        return [await self.execution(id) for id in ids]

    async def statuses(self) -> list[ExecutionStatus]:
        """Return the statuses of all executions, in the order of their creation."""
        return [execution.status for execution in await self.executions()]

    async def events(self, after: int = 0) -> list[str]:
        """Return the names of the recorded events, without the first ones."""
        subjects = [entry.recorded.event.subject for entry in await self.store.feed((0, after), 10_000)]
        return [subject.removeprefix("evt.task_scheduler.") for subject in subjects]

    async def last(self) -> Event:
        """Return the last recorded event."""
        return (await self.store.feed(START, 10_000))[-1].recorded.event
