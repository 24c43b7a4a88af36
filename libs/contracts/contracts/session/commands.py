"""What the session service takes."""

from typing import Any
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Command
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, SESSION, TOOL_CALL
from contracts.session.queries import GetRun, GetSession, RunView, SessionView
from contracts.session.values import Block, Mode, NamedOptions, OnBusy, Usage


class CreateSession(Command[SessionView]):
    """Opens a session for the actor.

    What it does not name (`sdk_options`), or leaves at None (`mode`), is as the template has it.
    """

    subject = "cmd.session.create"
    sample = {
        "session_id": SESSION,
        "name": "My Investigation Session",
        "mode": "interactive",
        "sdk_options": {"allowed_tools": ["Read", "Write", "Bash"]},
    }

    session_id: UUID
    name: str
    mode: Mode | None = None
    sdk_options: NamedOptions
    template_id: UUID | None = None

    def outcome(self) -> GetSession:
        """Answer with the session."""
        return GetSession(session_id=self.session_id)


class ChangeSession(Command[SessionView]):
    """Changes what is not None in a session; of the options, those that are named."""

    subject = "cmd.session.change"
    sample = {"session_id": SESSION, "name": "Renamed", "sdk_options": {"max_turns": 5}, "metadata": {"ticket": 42}}

    session_id: UUID
    name: str | None = None
    sdk_options: NamedOptions | None = None
    metadata: dict[str, JsonValue] | None = None

    def outcome(self) -> GetSession:
        """Answer with the session."""
        return GetSession(session_id=self.session_id)


class SubmitQuery(Command[RunView]):
    """Asks the session's agent something: starts a run.

    While another one is going, or the session is paused, `on_busy` says what to do: refuse, let this one wait for its
    turn, or end the other one and start this one.
    """

    subject = "cmd.session.submit_query"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "message_id": MESSAGE,
        "message": "Analyze the error logs in /var/log/app.log",
    }

    session_id: UUID
    run_id: UUID
    message_id: UUID
    message: str
    on_busy: OnBusy = "reject"

    def outcome(self) -> GetRun:
        """Answer with the run."""
        return GetRun(session_id=self.session_id, run_id=self.run_id)


class CancelRun(Command[RunView]):
    """Ends a run, whether it waits or goes."""

    subject = "cmd.session.cancel_run"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID

    def outcome(self) -> GetRun:
        """Answer with the run."""
        return GetRun(session_id=self.session_id, run_id=self.run_id)


class InterruptSession(Command[SessionView]):
    """Ends the run that is going; the next one that waits follows."""

    subject = "cmd.session.interrupt"
    sample = {"session_id": SESSION}

    session_id: UUID

    def outcome(self) -> GetSession:
        """Answer with the session."""
        return GetSession(session_id=self.session_id)


class PauseSession(Command[SessionView]):
    """Lets no further run begin; the one that is going ends as ever."""

    subject = "cmd.session.pause"
    sample = {"session_id": SESSION}

    session_id: UUID

    def outcome(self) -> GetSession:
        """Answer with the session."""
        return GetSession(session_id=self.session_id)


class ResumeSession(Command[SessionView]):
    """Lets runs begin again, those that wait first."""

    subject = "cmd.session.resume"
    sample = {"session_id": SESSION}

    session_id: UUID

    def outcome(self) -> GetSession:
        """Answer with the session."""
        return GetSession(session_id=self.session_id)


class DeleteSession(Command[None]):
    """Ends and removes a session."""

    subject = "cmd.session.delete"
    sample = {"session_id": SESSION}

    session_id: UUID


class StartRun(Command[RunView]):
    """A worker takes a run up. What another worker had begun is failed instead, for that worker is gone.

    A run that only waited for an approval goes on.
    """

    subject = "cmd.session.start_run"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID

    def outcome(self) -> GetRun:
        """Answer with the run."""
        return GetRun(session_id=self.session_id, run_id=self.run_id)


class RecordMessage(Command[None]):
    """The agent said something, and may have called tools in it; a subagent did, if a tool call is the parent."""

    subject = "cmd.session.record_message"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "message_id": MESSAGE,
        "blocks": [
            {"type": "text", "text": "Reading it."},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "tool_call_id": TOOL_CALL,
                "name": "Read",
                "input": {"file_path": "/workspace/a"},
            },
        ],
        "model": "claude-sonnet-4-5",
    }

    session_id: UUID
    run_id: UUID
    message_id: UUID
    blocks: list[Block]
    model: str
    parent_tool_use_id: str | None = None


class RecordToolResult(Command[None]):
    """A tool call ended."""

    subject = "cmd.session.record_tool_result"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "tool_use_id": "toolu_1",
        "output": {"content": "hello"},
        "is_error": False,
        "duration_ms": 12,
    }

    session_id: UUID
    run_id: UUID
    tool_use_id: str
    output: dict[str, Any]
    is_error: bool
    duration_ms: int = Field(ge=0)


class EndRun(Command[None]):
    """The agent is done, with an answer or, given an `error_code`, without."""

    subject = "cmd.session.end_run"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": "0.0012"},
    }

    session_id: UUID
    run_id: UUID
    usage: Usage = Usage()
    error_code: Code | None = None
    error_detail: str = ""
    structured_output: JsonValue = None
