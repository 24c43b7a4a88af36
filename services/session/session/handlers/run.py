"""Handlers of commands about runs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import UUID

from contracts.refusals import Refusal
from contracts.session.quota import GetAllowance, GetRunCharge
from contracts.session.run import (
    CancelRun,
    EndRun,
    GetRunSummary,
    InterruptSession,
    RecordRunUsage,
    StartRun,
    StartWaiting,
    SubmitQuery,
)
from contracts.session.values import Usage
from eventing.handling import Handlers
from eventing.store import Conflict

from session.aggregate import Session
from session.ceilings.options import resolved_model
from session.dependencies import Work

handles = Handlers()


@asynccontextmanager
async def change_and_start_next(session_id: UUID, work: Work) -> AsyncGenerator[Session]:
    """Load a session, and at the end of the block start its next run, as far as the quotas allow it, and save it.

    If the block raises, nothing is saved. The next run starts in the append that ends the run before it.
    """
    async with work.change(Session, session_id) as session:
        yield session
        if session.could_start_next:
            session.start_next(await work.ask(GetAllowance(session_id=session_id, owner=session.owner)))


@handles
async def submit_query(command: SubmitQuery, work: Work) -> None:
    """Start a run, or enqueue it."""
    async with work.change(Session, command.session_id) as session:
        session.increase_depth(command.depth)
        # An agent would wait for a run that waits until that of the agent has ended.
        may_wait = command.depth == 0
        asked = GetAllowance(session_id=command.session_id, owner=session.owner, may_wait=may_wait)
        allowance = await work.ask(asked)
        session.submit_query(command.run_id, command.message_id, command.message, command.on_busy, allowance)


@handles
async def start_run(command: StartRun, work: Work) -> None:
    """Start a run on a worker."""
    async with change_and_start_next(command.session_id, work) as session:
        lost = await _lost_usage(session, work)
        session.start_run(command.run_id, await _model(session, work), lost, died=command.died)


@handles
async def end_run(command: EndRun, work: Work) -> None:
    """End a run."""
    async with change_and_start_next(command.session_id, work) as session:
        lost = Usage() if command.attempt else await _lost_usage(session, work)
        session.end_run(
            command.run_id,
            command.usage + lost,
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
    async with change_and_start_next(command.session_id, work) as session:
        try:
            summary = await work.ask(GetRunSummary(session_id=command.session_id, run_id=command.run_id))
        except Refusal:
            if not command.in_advance:
                raise
            session.cancel_in_advance(command.run_id)
        else:
            if summary.ended_at is None and not session.has_open_run(command.run_id):
                raise Conflict("the run was submitted after the session was loaded")
            session.cancel_run(command.run_id)


@handles
async def interrupt_session(command: InterruptSession, work: Work) -> None:
    """Cancel the active run."""
    async with change_and_start_next(command.session_id, work) as session:
        session.interrupt()


@handles
async def start_waiting(command: StartWaiting, work: Work) -> None:
    """Start the first queued run of a session that waits for runs of other sessions to end."""
    async with change_and_start_next(command.session_id, work):
        pass


async def _lost_usage(session: Session, work: Work) -> Usage:
    """Return what the active run has cost, and its worker, if that was lost, has not reported."""
    run = session.run
    if run is None or not run.started:
        return Usage()
    charged = await work.ask(GetRunCharge(session_id=session.id, run_id=run.id))
    return Usage(cost_usd=max(Decimal(0), charged - run.used.cost_usd))


async def _model(session: Session, work: Work) -> str | None:
    """Return the model that the agent of a run gets; None if neither the session nor the operator names one."""
    accounts, ceilings = work.dependencies.accounts, work.dependencies.ceilings
    # Any role will do if it does not matter, which saves a statement.
    role = await accounts.role(session.owner, work.envelope) if ceilings.differ_in_models else "user"
    return resolved_model(session.sdk_options, role, ceilings)
