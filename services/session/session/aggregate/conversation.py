"""What a Session decides about its conversation: what is said, and which tools are used."""

from typing import assert_never

from contracts.session.conversation import (
    ConversationEvent,
    MessageRecorded,
    RecordMessage,
    RecordToolResult,
    ToolCallEnded,
    ToolCallStarted,
)

from session.aggregate.state import State


class Conversing(State):
    """What comes from a worker that has lost its run is refused."""

    def record_message(self, said: RecordMessage) -> None:
        """Take down what the agent said, or a subagent whose parent is a tool call, and the tool calls in it.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        run = self._worked_on(said.run_id, said.attempt)
        parent = run.tool_calls.get(said.parent_tool_use_id) if said.parent_tool_use_id else None
        recorded = MessageRecorded(
            run_id=said.run_id,
            message_id=said.message_id,
            sequence_number=self.messages + 1,
            blocks=said.blocks,
            model=said.model,
            parent_tool_call_id=parent,
        )
        self.record(recorded)
        self._record_all(run.calls(said.blocks, parent))

    def record_tool_result(self, result: RecordToolResult) -> None:
        """Take down how a tool call ended; one that is not under way is ignored.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        if ended := self._worked_on(result.run_id, result.attempt).returned(result):
            self.record(ended)

    def apply_conversation(self, event: ConversationEvent) -> None:
        """Fold one event of the conversation."""
        match event:
            case MessageRecorded():
                self.messages = event.sequence_number
            case ToolCallStarted():
                self._going(event.run_id).tool_calls[event.tool_use_id] = event.tool_call_id
            case ToolCallEnded():
                self._going(event.run_id).tool_calls.pop(event.tool_use_id, None)
            case _:
                assert_never(event)
