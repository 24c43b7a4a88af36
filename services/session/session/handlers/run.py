"""What is done about runs."""

from contracts.session.commands import (
    CancelRun,
    EndRun,
    InterruptSession,
    RecordMessage,
    RecordToolResult,
    StartRun,
    SubmitQuery,
)
from eventing.handling import Handlers

from session.handlers.loading import Work, load_session

handles = Handlers()


@handles
async def submit_query(command: SubmitQuery, work: Work) -> None:
    """Start a run, or let it wait."""
    session = await load_session(command.session_id, work)
    session.submit_query(command.run_id, command.message_id, command.message, command.on_busy)
    await work.save(session)


@handles
async def start_run(command: StartRun, work: Work) -> None:
    """Take a run up."""
    session = await load_session(command.session_id, work)
    session.start_run(command.run_id)
    await work.save(session)


@handles
async def record_message(command: RecordMessage, work: Work) -> None:
    """Take down what the agent said."""
    session = await load_session(command.session_id, work)
    session.record_message(
        command.run_id, command.message_id, command.blocks, command.model, command.parent_tool_use_id
    )
    await work.save(session)


@handles
async def record_tool_result(command: RecordToolResult, work: Work) -> None:
    """Take down how a tool call ended."""
    session = await load_session(command.session_id, work)
    session.record_tool_result(
        command.run_id, command.tool_use_id, command.output, command.is_error, command.duration_ms
    )
    await work.save(session)


@handles
async def end_run(command: EndRun, work: Work) -> None:
    """End a run."""
    session = await load_session(command.session_id, work)
    session.end_run(command.run_id, command.usage, command.error_code, command.error_detail, command.structured_output)
    await work.save(session)


@handles
async def cancel_run(command: CancelRun, work: Work) -> None:
    """End a run before its time."""
    session = await load_session(command.session_id, work)
    session.cancel_run(command.run_id)
    await work.save(session)


@handles
async def interrupt_session(command: InterruptSession, work: Work) -> None:
    """End the run that is going."""
    session = await load_session(command.session_id, work)
    session.interrupt()
    await work.save(session)
