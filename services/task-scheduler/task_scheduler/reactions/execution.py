"""Starts executions: each attempt gets a session, to which its prompt is submitted."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid5

from contracts.refusals import Code, Refusal
from contracts.session.run import SubmitQuery
from contracts.session.session import CreateSession
from contracts.task_scheduler.attempt import EndAttempt, ExecutionStarted, RecordSubmission
from contracts.task_scheduler.values import TaskDefinition
from eventing.reactions import Reactions, UnfinishedWork
from eventing.reactions.jobs import Job, JobFailed, JobNotWanted, job
from eventing.recording import Recorded

from task_scheduler.definition import render_prompt
from task_scheduler.dependencies import Dependencies
from task_scheduler.executions import Assignment
from task_scheduler.prompts.free_variables import free_variables
from task_scheduler.reactions.run import cancel_run

STARTED_AT_ONCE = 32
MAX_NAME_LENGTH = 200
"""Length of the name of a session, as everywhere in the API."""
UNSUBMITTED = "SELECT id AS aggregate, run_id AS work FROM executions WHERE status = 'running' AND NOT submitted"
OWNER_GONE = frozenset({Code.USER_INACTIVE, Code.USER_NOT_FOUND})

reactions = Reactions()


def _run_id(recorded: Recorded[ExecutionStarted]) -> UUID:
    return recorded.event.run_id


@job(reactions, "start_execution", concurrency=STARTED_AT_ONCE)
class StartExecution(Job[Dependencies, ExecutionStarted]):
    """Starts an attempt of an execution, on behalf of the owner of the task.

    Each step is safe to repeat: the ids of session, run and message derive from the execution and its attempt.
    """

    unfinished: ClassVar = UnfinishedWork(UNSUBMITTED, _run_id)
    give_up_code: ClassVar = Code.RUN_INTERRUPTED

    async def work(self) -> None:
        """Create the session with the present definition of the task, and submit the prompt."""
        assignment = await self.dependencies.executions.assignment(self.recorded.id)
        if assignment is None:
            raise JobNotWanted
        try:
            prompt = await self._submit(assignment)
        except Refusal as refusal:
            raise _failure(refusal) from refusal
        submitted = RecordSubmission(execution_id=self.recorded.id, attempt=self.event.attempt, prompt=prompt)
        await self.reaction.send(submitted)

    async def fail(self, failure: JobFailed) -> None:
        """End the attempt, which is retried if the error may be temporary."""
        failed = EndAttempt(
            execution_id=self.recorded.id,
            attempt=self.event.attempt,
            error_code=failure.code,
            error_detail=failure.detail,
        )
        await self.reaction.send(failed)

    async def give_up(self) -> None:
        """End the attempt; its run is cancelled, because the prompt may have been submitted."""
        await super().give_up()
        await cancel_run(self.event.session_id, self.event.run_id, self.reaction)

    async def discard(self) -> None:
        """Cancel the run of an attempt that ended while it was being started.

        The same is called if another worker has submitted the prompt: then the attempt is still active.
        """
        active = await self.dependencies.executions.of_run(self.event.run_id)
        if active is None:
            await cancel_run(self.event.session_id, self.event.run_id, self.reaction)

    async def _submit(self, assignment: Assignment) -> str:
        await self._check_owner(assignment.user_id)
        definition, variables = assignment.definition, assignment.variables
        tick, user_id = assignment.scheduled_for, assignment.user_id
        rendered = await render_prompt(self.dependencies.prompts, definition, variables, tick, user_id)
        session = CreateSession(
            session_id=self.event.session_id,
            name=_session_name(definition, tick or self.recorded.at),
            mode=definition.mode,
            sdk_options=await self.dependencies.executions.session_options(assignment),
            template_id=definition.template_id,
            depth=self.event.depth,
        )
        await self.reaction.send(session, key="session", on_behalf_of=user_id)
        await self.check_wanted()
        query = SubmitQuery(
            session_id=self.event.session_id,
            run_id=self.event.run_id,
            message_id=uuid5(self.event.run_id, "message"),
            message=rendered.text,
            on_busy="enqueue",  # the owner may have been faster in the new session
        )
        await self.reaction.send(query, key="query", on_behalf_of=user_id)
        return rendered.text

    async def _check_owner(self, user_id: UUID) -> None:
        if (await self.reaction.actor(user_id)).role == "viewer":
            raise Refusal(Code.OWNER_DISABLED, "The owner of the task may only read.")


def _failure(refusal: Refusal) -> JobFailed:
    if refusal.code in OWNER_GONE:
        return JobFailed(Code.OWNER_DISABLED, "The owner of the task was disabled or deleted.")
    return JobFailed(refusal.code, refusal.detail)


def _session_name(definition: TaskDefinition, at: datetime) -> str:
    free = free_variables(definition.name, at, definition.schedule_timezone)
    when = f" {free['date']} {free['time']}"
    return definition.name[: MAX_NAME_LENGTH - len(when)] + when
