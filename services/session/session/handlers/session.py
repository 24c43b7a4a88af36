"""What the session service does on a command: load, let the session decide, save."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.commands import (
    ChangeSession,
    CreateSession,
    DeleteSession,
    EndRun,
    RecordMessage,
    RecordToolResult,
    StartRun,
    SubmitQuery,
)
from eventing.handling import Handlers
from eventing.store import Missing

from session.aggregate import Session
from session.handlers.options import check_options
from session.handlers.template import Work, readable

handles = Handlers()


@handles
async def create_session(command: CreateSession, work: Work) -> None:
    """Open a session for the actor."""
    mode, options = command.mode or "interactive", command.sdk_options
    if command.template_id:
        template = await readable(command.template_id, work)
        mode, options = command.mode or template.default_mode, template.sdk_options.with_named(options)
    check_options(options, work)
    session = Session(command.session_id)
    session.create(work.actor.user_id, command.name, mode, options, command.template_id)
    await work.save(session)


@handles
async def change_session(command: ChangeSession, work: Work) -> None:
    """Change a session; the next run goes by it."""
    session = await _load(command.session_id, work)
    if command.sdk_options:
        check_options(command.sdk_options, work)
    session.change(command.name, command.sdk_options, command.metadata)
    await work.save(session)


@handles
async def submit_query(command: SubmitQuery, work: Work) -> None:
    """Start a run."""
    session = await _load(command.session_id, work)
    session.submit_query(command.run_id, command.message_id, command.message)
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
async def end_run(command: EndRun, work: Work) -> None:
    """End a run."""
    session = await _load(command.session_id, work)
    session.end_run(command.run_id, command.usage, command.error_code, command.error_detail, command.structured_output)
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
