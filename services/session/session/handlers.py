"""What the session service does on a command: load, let the session decide, save."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approvals import DecideApproval, DeliverDecision, RequestApproval
from contracts.session.commands import (
    CancelRun,
    CreateSession,
    DeleteSession,
    EndRun,
    InterruptSession,
    PauseSession,
    RecordMessage,
    RecordToolResult,
    ResumeSession,
    StartRun,
    SubmitQuery,
)
from contracts.session.values import Ruling
from eventing.handling import Handlers, UnitOfWork
from eventing.store import Missing

from session.aggregate import Session
from session.tools import Tools

handles = Handlers()

type Work = UnitOfWork[Tools]


@handles
async def create_session(command: CreateSession, work: Work) -> None:
    """Open a session for the actor."""
    if command.template_id:
        raise Refusal(Code.TEMPLATE_NOT_FOUND, f"There is no template {command.template_id}.")
    if command.sdk_options.permission_mode == "bypassPermissions" and work.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "The permission mode bypassPermissions is for admins only.")
    session = Session(command.session_id)
    session.create(work.actor.user_id, command.name, command.mode, command.sdk_options)
    await work.save(session)


@handles
async def submit_query(command: SubmitQuery, work: Work) -> None:
    """Start a run, or let it wait."""
    session = await _load(command.session_id, work)
    session.submit_query(command.run_id, command.message_id, command.message, command.on_busy)
    await work.save(session)


@handles
async def start_run(command: StartRun, work: Work) -> None:
    """Take a run up."""
    session = await _load(command.session_id, work)
    session.start_run(command.run_id)
    await work.save(session)


@handles
async def record_message(command: RecordMessage, work: Work) -> None:
    """Take down what the agent said."""
    session = await _load(command.session_id, work)
    session.record_message(command.run_id, command.message_id, command.blocks, command.model)
    await work.save(session)


@handles
async def record_tool_result(command: RecordToolResult, work: Work) -> None:
    """Take down how a tool call ended."""
    session = await _load(command.session_id, work)
    session.record_tool_result(
        command.run_id, command.tool_use_id, command.output, command.is_error, command.duration_ms
    )
    await work.save(session)


@handles
async def request_approval(command: RequestApproval, work: Work) -> Ruling | None:
    """Ask whether the agent may use a tool, unless that is settled."""
    session = await _load(command.session_id, work)
    ruling = session.request_approval(command)
    await work.save(session)
    return ruling


@handles
async def decide_approval(command: DecideApproval, work: Work) -> None:
    """Let the agent use a tool, or not."""
    session = await _load(command.session_id, work)
    session.decide_approval(command, work.actor.user_id, work.now)
    await work.save(session)


@handles
async def deliver_decision(command: DeliverDecision, work: Work) -> Ruling | None:
    """Give a worker what its agent waits for."""
    session = await _load(command.session_id, work)
    ruling = session.deliver_decision(command.run_id, command.attempt, command.approval_id, work.now)
    await work.save(session)
    return ruling


@handles
async def end_run(command: EndRun, work: Work) -> None:
    """End a run."""
    session = await _load(command.session_id, work)
    session.end_run(command.run_id, command.usage, command.error_code, command.error_detail)
    await work.save(session)


@handles
async def cancel_run(command: CancelRun, work: Work) -> None:
    """End a run before its time."""
    session = await _load(command.session_id, work)
    session.cancel_run(command.run_id)
    await work.save(session)


@handles
async def interrupt_session(command: InterruptSession, work: Work) -> None:
    """End the run that is going."""
    session = await _load(command.session_id, work)
    session.interrupt()
    await work.save(session)


@handles
async def pause_session(command: PauseSession, work: Work) -> None:
    """Let no further run begin."""
    session = await _load(command.session_id, work)
    session.pause()
    await work.save(session)


@handles
async def resume_session(command: ResumeSession, work: Work) -> None:
    """Let runs begin again."""
    session = await _load(command.session_id, work)
    session.resume()
    await work.save(session)


@handles
async def delete_session(command: DeleteSession, work: Work) -> None:
    """End a session for good."""
    session = await _load(command.session_id, work)
    session.delete()
    await work.save(session)


async def _load(session_id: UUID, work: Work) -> Session:
    # What is another's, or gone, does not exist: nobody learns more than that.
    try:
        session = await work.load(Session, session_id)
    except Missing:
        session = None
    if session is None or session.deleted or not work.actor.may_see(session.user_id):
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {session_id}.")
    return session
