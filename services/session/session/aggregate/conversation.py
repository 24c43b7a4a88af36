"""The decisions of a Session about its conversation: messages and tool calls."""

from typing import assert_never
from uuid import UUID

from contracts.session.conversation import (
    ConversationEvent,
    MessageRecorded,
    RecordMessage,
    RecordToolResult,
    ToolCallEnded,
    ToolCallStarted,
)
from contracts.session.values import ToolUseBlock

from session.aggregate.state import State


class Conversing(State):
    """Messages and tool calls. Records of a worker that has lost its run are refused."""

    def record_message(self, command: RecordMessage) -> None:
        """Record a message of the agent, or of a subagent whose parent is a tool call, and the tool calls in it.

        An `incomplete` message may belong to a run that was ended without its agent. It has no calls then: nobody would
        end them.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        if command.incomplete and self.unbilled.get(command.run_id) == command.attempt:
            if written := [block for block in command.blocks if not isinstance(block, ToolUseBlock)]:
                self.record(self._recorded(command.model_copy(update={"blocks": written})))
            return
        run = self._run_of_worker(command.run_id, command.attempt)
        parent = run.tool_calls.get(command.parent_tool_use_id) if command.parent_tool_use_id else None
        self.record(self._recorded(command, parent))
        self._record_all(run.tool_calls_in(command.blocks, parent))

    def _recorded(self, command: RecordMessage, parent: UUID | None = None) -> MessageRecorded:
        return MessageRecorded(
            run_id=command.run_id,
            message_id=command.message_id,
            sequence_number=self.messages + 1,
            blocks=command.blocks,
            model=command.model,
            parent_tool_call_id=parent,
            entry_id=command.entry_id,
            incomplete=command.incomplete,
        )

    def record_tool_result(self, result: RecordToolResult) -> None:
        """Record the result of a tool call; one that is not in progress is ignored.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        if ended := self._run_of_worker(result.run_id, result.attempt).call_ended(result):
            self.record(ended)

    def apply_conversation(self, event: ConversationEvent) -> None:
        """Fold one event of the conversation."""
        match event:
            case MessageRecorded():
                self.messages = event.sequence_number
                if self.run:  # an incomplete message may follow the end of its run
                    self.run.idle_attempts = 0
            case ToolCallStarted():
                self._active_run(event.run_id).tool_calls[event.tool_use_id] = event.tool_call_id
            case ToolCallEnded():
                self._active_run(event.run_id).apply_call_end(event.tool_use_id)
            case _:
                assert_never(event)
