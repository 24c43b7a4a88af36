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

from session.aggregate import Session
from session.tools import Work

handles = Handlers()


@handles
async def submit_query(command: SubmitQuery, work: Work) -> None:
    """Start a run, or let it wait."""
    async with work.change(Session, command.session_id) as session:
        session.submit_query(command.run_id, command.message_id, command.message, command.on_busy)


@handles
async def start_run(command: StartRun, work: Work) -> None:
    """Take a run up."""
    async with work.change(Session, command.session_id) as session:
        session.start_run(command.run_id)


@handles
async def record_message(command: RecordMessage, work: Work) -> None:
    """Take down what the agent said."""
    async with work.change(Session, command.session_id) as session:
        session.record_message(command)


@handles
async def record_tool_result(command: RecordToolResult, work: Work) -> None:
    """Take down how a tool call ended."""
    async with work.change(Session, command.session_id) as session:
        session.record_tool_result(command)


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
async def cancel_run(command: CancelRun, work: Work) -> None:
    """End a run before its time."""
    async with work.change(Session, command.session_id) as session:
        session.cancel_run(command.run_id)


@handles
async def interrupt_session(command: InterruptSession, work: Work) -> None:
    """End the run that is going."""
    async with work.change(Session, command.session_id) as session:
        session.interrupt()
