"""Records what the agent of a run does, as it happens."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from contracts.refusals import Code, Refusal
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.deltas import TextDelta
from contracts.session.mcp import RecordMcpServers
from contracts.session.release import RunContinued
from contracts.session.run import RunRequested
from eventing.recording import Recorded

from session.agent import AssistantMessage, Delta, ServersConnected, ToolReturned
from session.reactions.approval import ApprovalRequests

type Requested = Recorded[RunRequested] | Recorded[RunContinued]
"""An event that requests a worker for a run."""


async def record(
    recorded: Requested,
    event: ServersConnected | AssistantMessage | ToolReturned | Delta,
    approvals: ApprovalRequests,
) -> None:
    """Record an event of an agent; if that is refused, the worker has lost the run, and its agent is cancelled.

    A message that was streamed before the run was cancelled is recorded all the same, as `incomplete`.
    """
    run, reaction = approvals.run, approvals.reaction
    context: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": run.attempt}
    try:
        match event:
            case ServersConnected(servers):
                await reaction.send(RecordMcpServers(**context, servers=servers))
            case AssistantMessage():
                await approvals.deliver()
                await reaction.send(_message(event, context))
                approvals.note_recorded(event.blocks)
            case ToolReturned():
                await reaction.send(
                    RecordToolResult(
                        **context,
                        tool_use_id=event.tool_use_id,
                        output=event.output,
                        is_error=event.is_error,
                        denied=event.denied,
                        duration_ms=event.duration_ms,
                    )
                )
                approvals.note_returned(event.tool_use_id)
            case Delta(text, kind, message_id):
                delta = TextDelta(run_id=run.id, message_id=message_id, kind=kind, text=text)
                await reaction.dependencies.deltas.publish(recorded.owner, run.session_id, delta)
    except Refusal as refusal:
        approvals.cancellation.request(refusal)
        if refusal.code is Code.RUN_OVER and isinstance(event, AssistantMessage) and not event.parent_tool_use_id:
            with suppress(Refusal):  # the run may have been ended otherwise, or its session was deleted
                await reaction.send(_message(replace(event, incomplete=True), context))


def _message(event: AssistantMessage, context: dict[str, Any]) -> RecordMessage:
    return RecordMessage(
        **context,
        message_id=event.message_id,
        blocks=event.blocks,
        model=event.model,
        parent_tool_use_id=event.parent_tool_use_id,
        entry_id=event.entry_id,
        incomplete=event.incomplete,
    )
