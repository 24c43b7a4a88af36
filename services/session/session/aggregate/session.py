"""Session: one conversation with an agent, and the run that is going in it, if any."""

from dataclasses import dataclass, field
from typing import Any, assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.events import (
    EnvironmentSet,
    MessageRecorded,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    SessionChanged,
    SessionCreated,
    SessionDeleted,
    SessionFact,
    ToolCallEnded,
    ToolCallStarted,
)
from contracts.session.values import HIDDEN, Block, Json, Mode, SdkOptions, ToolUseBlock, Usage, hidden
from eventing.aggregate import Aggregate


@dataclass
class Run:
    """The run that is going. `tool_calls` are those under way: the model's name for the call, and ours."""

    id: UUID
    started: bool = False
    tool_calls: dict[str, UUID] = field(default_factory=dict[str, UUID])


class Session(Aggregate[SessionFact]):
    """At most one run goes at a time; what comes for a run that is over is refused."""

    user_id: UUID
    name: str
    sdk_options: SdkOptions
    """With the values of `env` hidden; they are in `environment`."""

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.deleted = False
        self.messages = 0
        self.metadata: dict[str, Json] = {}
        self.environment: dict[str, str] = {}
        self.run: Run | None = None

    def create(
        self, user_id: UUID, name: str, mode: Mode, sdk_options: SdkOptions, template_id: UUID | None = None
    ) -> None:
        """Open the session for a user."""
        shown = hidden(sdk_options)
        self.record(SessionCreated(user_id=user_id, name=name, mode=mode, sdk_options=shown, template_id=template_id))
        self._set_environment(sdk_options)

    def change(self, name: str | None, sdk_options: SdkOptions | None, metadata: dict[str, Json] | None) -> None:
        """Take what is not None; of the options, those that are named. Nothing new is no fact."""
        options = self.sdk_options.with_named(sdk_options or SdkOptions())
        after = SessionChanged(
            user_id=self.user_id,
            name=self.name if name is None else name,
            sdk_options=hidden(options),
            metadata=self.metadata if metadata is None else metadata,
        )
        if (after.name, after.sdk_options, after.metadata) != (self.name, self.sdk_options, self.metadata):
            self.record(after)
        self._set_environment(options)

    def submit_query(self, run_id: UUID, message_id: UUID, message: str) -> None:
        """Ask the agent something.

        Raises:
            Refusal: SESSION_BUSY, another run is going.
        """
        if self.run:
            raise Refusal(Code.SESSION_BUSY, f"The session is busy with run {self.run.id}.")
        number = self.messages + 1
        self.record(RunRequested(run_id=run_id, message_id=message_id, sequence_number=number, message=message))

    def start_run(self, run_id: UUID) -> None:
        """Let a worker take the run up.

        A run that was started before is failed: a run is handed out again only when its worker is gone, and what its
        agent did outside cannot be undone by doing it twice.

        Raises:
            Refusal: RUN_OVER.
        """
        if self._going(run_id).started:
            self.end_run(run_id, Usage(), Code.RUN_INTERRUPTED, "The service went down during the run.")
        else:
            self.record(RunStarted(run_id=run_id, attempt=1))

    def record_message(self, run_id: UUID, message_id: UUID, blocks: list[Block], model: str) -> None:
        """Take down what the agent said, and the tool calls in it.

        Raises:
            Refusal: RUN_OVER.
        """
        self._going(run_id)
        self.record(
            MessageRecorded(
                run_id=run_id,
                message_id=message_id,
                sequence_number=self.messages + 1,
                blocks=blocks,
                model=model,
            )
        )
        for block in blocks:
            if isinstance(block, ToolUseBlock):
                self.record(
                    ToolCallStarted(
                        run_id=run_id,
                        tool_call_id=block.tool_call_id,
                        tool_use_id=block.id,
                        tool_name=block.name,
                        tool_input=block.input,
                    )
                )

    def record_tool_result(
        self, run_id: UUID, tool_use_id: str, output: dict[str, Any], is_error: bool, duration_ms: int
    ) -> None:
        """Take down how a tool call ended; one that is not under way is ignored.

        Raises:
            Refusal: RUN_OVER.
        """
        tool_call_id = self._going(run_id).tool_calls.get(tool_use_id)
        if tool_call_id:
            self.record(
                ToolCallEnded(
                    run_id=run_id,
                    tool_call_id=tool_call_id,
                    tool_use_id=tool_use_id,
                    status="error" if is_error else "success",
                    tool_output=output,
                    duration_ms=duration_ms,
                )
            )

    def end_run(
        self,
        run_id: UUID,
        usage: Usage,
        error_code: Code | None = None,
        error_detail: str = "",
        structured_output: Json = None,
    ) -> None:
        """End the run, with an answer or with an error; tool calls under way are interrupted.

        Raises:
            Refusal: RUN_OVER.
        """
        for tool_use_id, tool_call_id in list(self._going(run_id).tool_calls.items()):
            self.record(
                ToolCallEnded(
                    run_id=run_id,
                    tool_call_id=tool_call_id,
                    tool_use_id=tool_use_id,
                    status="interrupted",
                    tool_output=None,
                    duration_ms=None,
                )
            )
        if error_code is None:
            self.record(RunCompleted(run_id=run_id, usage=usage, structured_output=structured_output))
        else:
            self.record(RunFailed(run_id=run_id, error_code=error_code, error_detail=error_detail, usage=usage))

    def delete(self) -> None:
        """End the session for good, and the run that is going."""
        if self.run:
            self.end_run(self.run.id, Usage(), Code.RUN_CANCELLED, "The session was deleted.")
        self.record(SessionDeleted(user_id=self.user_id))

    def _set_environment(self, options: SdkOptions) -> None:
        variables = {
            name: self.environment.get(name, value) if value == HIDDEN else value
            for name, value in (options.env or {}).items()
        }
        if variables != self.environment:
            self.record(EnvironmentSet(variables=variables))

    def _going(self, run_id: UUID) -> Run:
        if self.run is None or self.run.id != run_id:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        return self.run

    def apply(self, fact: SessionFact) -> None:  # noqa: C901  one case a fact
        """Fold one fact."""
        match fact:
            case SessionCreated():
                self.user_id, self.name, self.sdk_options = fact.user_id, fact.name, fact.sdk_options
            case SessionChanged():
                self.name, self.sdk_options, self.metadata = fact.name, fact.sdk_options, fact.metadata
            case EnvironmentSet():
                self.environment = fact.variables
            case RunRequested():
                self.run = Run(fact.run_id)
                self.messages = fact.sequence_number
            case RunStarted():
                self._going(fact.run_id).started = True
            case MessageRecorded():
                self.messages = fact.sequence_number
            case ToolCallStarted():
                self._going(fact.run_id).tool_calls[fact.tool_use_id] = fact.tool_call_id
            case ToolCallEnded():
                self._going(fact.run_id).tool_calls.pop(fact.tool_use_id, None)
            case RunCompleted() | RunFailed():
                self.run = None
            case SessionDeleted():
                self.deleted = True
            case _:
                assert_never(fact)
