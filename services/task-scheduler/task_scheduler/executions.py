"""The executions in the read model as reactions use them, apart from any user's view."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.messages import Message
from contracts.session.values import SdkOptions
from contracts.task_scheduler.values import TaskDefinition, Variables
from eventing.database import Database
from eventing.secrets.sealed_values import Secrets

VARIABLES = Secrets("task_environments", owner="task_id", values="variables")
"""The environment variables of tasks. Their values are secrets: no query on the bus returns them."""

ACTIVE = "SELECT id, task_id, attempt FROM executions WHERE status = 'running' AND "
BY_RUN, BY_SESSION = ACTIVE + "run_id = $1", ACTIVE + "session_id = $1"
BY_ANY_SESSION = """
    SELECT id FROM executions WHERE session_id = $1
    UNION ALL SELECT execution_id FROM earlier_attempts WHERE session_id = $1"""
ASSIGNMENT = """
    SELECT e.task_id, e.user_id, e.scheduled_for, e.variables, t.definition
    FROM executions e JOIN tasks t ON t.id = e.task_id WHERE e.id = $1"""
STARTED_BY_EVENTS = """
    SELECT count(*) FROM (
        SELECT FROM executions
        WHERE user_id = $1 AND trigger = 'event' AND status <> 'skipped' AND created_at > $2 LIMIT $3) AS started"""
DELETE_BATCH = """
    DELETE FROM executions WHERE id IN (
        SELECT id FROM executions WHERE task_id = $1 AND status NOT IN ('pending', 'running') LIMIT $2)"""
DELETE_COUNTS = "DELETE FROM execution_counts WHERE task_id = $1"
BATCH_SIZE = 1000
"""Executions that one statement deletes."""


@dataclass(frozen=True)
class ActiveAttempt:
    """The attempt that an execution is running."""

    execution_id: UUID
    task_id: UUID
    attempt: int


class Assignment(Message):
    """Input of an attempt: the present definition of the task, and the variables of the execution."""

    task_id: UUID
    user_id: UUID
    scheduled_for: datetime | None
    variables: Variables
    definition: TaskDefinition


@dataclass(frozen=True)
class Executions:
    """Reads and deletes executions."""

    database: Database

    async def of_run(self, run_id: UUID) -> ActiveAttempt | None:
        """Return the attempt whose run this is, if it is active."""
        return await self._attempt(BY_RUN, run_id)

    async def of_session(self, session_id: UUID) -> ActiveAttempt | None:
        """Return the attempt whose session this is, if it is active."""
        return await self._attempt(BY_SESSION, session_id)

    async def with_session(self, session_id: UUID) -> UUID | None:
        """Return the execution that has, or had, an attempt with this session."""
        return await self.database.fetchval(BY_ANY_SESSION, session_id)

    async def assignment(self, execution_id: UUID) -> Assignment | None:
        """Return what an execution has to run; None if its task was deleted."""
        row = await self.database.fetchrow(ASSIGNMENT, execution_id)
        return Assignment.model_validate(dict(row)) if row else None

    async def started_by_events(self, user_id: UUID, since: datetime, limit: int) -> int:
        """Return how many executions of a user events have started since a time, counted up to a limit."""
        return await self.database.fetchval(STARTED_BY_EVENTS, user_id, since, limit)

    async def session_options(self, assignment: Assignment) -> SdkOptions:
        """Return the options of the session of an attempt, with the plain values of `env`."""
        options = assignment.definition.session_options
        if not options.env:
            return options
        return options.model_copy(update={"env": await VARIABLES.get(assignment.task_id, self.database)})

    async def delete_of_task(self, task_id: UUID) -> None:
        """Delete the executions of a deleted task, in batches, so that no transaction takes long."""
        while await self.database.execute(DELETE_BATCH, task_id, BATCH_SIZE) != "DELETE 0":
            pass
        await self.database.execute(DELETE_COUNTS, task_id)

    async def _attempt(self, statement: str, id: UUID) -> ActiveAttempt | None:
        row = await self.database.fetchrow(statement, id)
        return ActiveAttempt(row["id"], row["task_id"], row["attempt"]) if row else None
