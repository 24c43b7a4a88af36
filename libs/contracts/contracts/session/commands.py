"""What the session service takes."""

from typing import Any
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Command
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, SESSION, TOOL_CALL
from contracts.session.queries import GetRun, GetRunSummary, GetSession, RunSummary, RunView, SessionView
from contracts.session.values import Block, Mode, NamedOptions, OnBusy, Usage


class CreateSession(Command[SessionView]):
    """Opens a session for the actor.

    What it does not name (`sdk_options`), or leaves at None (`mode`), is as the template has it.
    """

    subject = "cmd.session.create"
    outcome_query = GetSession
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


class ChangeSession(Command[SessionView]):
    """Changes what is not None in a session; of the options, those that are named."""

    subject = "cmd.session.change"
    outcome_query = GetSession
    sample = {"session_id": SESSION, "name": "Renamed", "sdk_options": {"max_turns": 5}, "metadata": {"ticket": 42}}

    session_id: UUID
    name: str | None = None
    sdk_options: NamedOptions | None = None
    metadata: dict[str, JsonValue] | None = None


class SubmitQuery(Command[RunView]):
    """Asks the session's agent something: starts a run.

    While another one is going, or the session is paused, `on_busy` says what to do: refuse, let this one wait for its
    turn, or end the other one and start this one.
    """

    subject = "cmd.session.submit_query"
    outcome_query = GetRun
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


class CancelRun(Command[RunView]):
    """Ends a run, whether it waits or goes."""

    subject = "cmd.session.cancel_run"
    outcome_query = GetRun
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class InterruptSession(Command[SessionView]):
    """Ends the run that is going; the next one that waits follows."""

    subject = "cmd.session.interrupt"
    outcome_query = GetSession
    sample = {"session_id": SESSION}

    session_id: UUID


class PauseSession(Command[SessionView]):
    """Lets no further run begin; the one that is going ends as ever."""

    subject = "cmd.session.pause"
    outcome_query = GetSession
    sample = {"session_id": SESSION}

    session_id: UUID


class ResumeSession(Command[SessionView]):
    """Lets runs begin again, those that wait first."""

    subject = "cmd.session.resume"
    outcome_query = GetSession
    sample = {"session_id": SESSION}

    session_id: UUID


class DeleteSession(Command[None]):
    """Ends and removes a session."""

    subject = "cmd.session.delete"
    sample = {"session_id": SESSION}

    session_id: UUID


class StartRun(Command[RunSummary]):
    """A worker takes a run up. What another worker had begun is failed instead, for that worker is gone.

    A run that only waited for an approval goes on.
    """

    subject = "cmd.session.start_run"
    outcome_query = GetRunSummary
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class RecordMessage(Command[None]):
    """The agent said something, and may have called tools in it; a subagent did, if a tool call is the parent.

    A worker that was replaced is refused by `attempt`.
    """

    subject = "cmd.session.record_message"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "attempt": 1,
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
    attempt: int
    message_id: UUID
    blocks: list[Block]
    model: str
    parent_tool_use_id: str | None = None


class RecordToolResult(Command[None]):
    """A tool call ended. A worker that was replaced is refused by `attempt`."""

    subject = "cmd.session.record_tool_result"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "attempt": 1,
        "tool_use_id": "toolu_1",
        "output": {"content": "hello"},
        "is_error": False,
        "duration_ms": 12,
    }

    session_id: UUID
    run_id: UUID
    attempt: int
    tool_use_id: str
    output: dict[str, Any]
    is_error: bool
    duration_ms: int = Field(ge=0)


class EndRun(Command[None]):
    """The agent is done, with an answer or, given an `error_code`, without.

    A worker that was replaced is refused by `attempt`; without one, no worker has the run any more.
    """

    subject = "cmd.session.end_run"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "attempt": 1,
        "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": "0.0012"},
    }

    session_id: UUID
    run_id: UUID
    attempt: int | None = None
    usage: Usage = Usage()
    error_code: Code | None = None
    error_detail: str = ""
    structured_output: JsonValue = None
