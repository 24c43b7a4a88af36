"""Handlers of commands about runs."""

from contracts.session.run import (
    CancelRun,
    EndRun,
    GetRunSummary,
    InterruptSession,
    RecordRunUsage,
    StartRun,
    SubmitQuery,
)
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work

handles = Handlers()


@handles
async def submit_query(command: SubmitQuery, work: Work) -> None:
    """Start a run, or enqueue it."""
    async with work.change(Session, command.session_id) as session:
        session.increase_depth(command.depth)
        session.submit_query(command.run_id, command.message_id, command.message, command.on_busy)


@handles
async def start_run(command: StartRun, work: Work) -> None:
    """Start a run on a worker."""
    async with work.change(Session, command.session_id) as session:
        session.start_run(command.run_id, session.sdk_options.model or next(iter(work.dependencies.models), None))


@handles
async def end_run(command: EndRun, work: Work) -> None:
    """End a run."""
    async with work.change(Session, command.session_id) as session:
        session.end_run(
            command.run_id,
            command.usage,
            command.error_code,
            command.error_detail,
            command.structured_output,
            attempt=command.attempt,
        )


@handles
async def record_run_usage(command: RecordRunUsage, work: Work) -> None:
    """Record the usage of a run whose session was deleted: it has cost what it has cost."""
    session = await work.load(Session, command.session_id)
    session.record_usage(command.run_id, command.usage, command.attempt)
    await work.save(session)


@handles
async def cancel_run(command: CancelRun, work: Work) -> None:
    """Cancel a run."""
    async with work.change(Session, command.session_id) as session:
        await work.ask(GetRunSummary(session_id=command.session_id, run_id=command.run_id))  # raises RUN_NOT_FOUND
        session.cancel_run(command.run_id)


@handles
async def interrupt_session(command: InterruptSession, work: Work) -> None:
    """Cancel the active run."""
    async with work.change(Session, command.session_id) as session:
        session.interrupt()
