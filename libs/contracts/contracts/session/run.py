"""Runs of a session, those that are going and those that wait: every message about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from contracts.messages import Command, Event, Failure, KeysetWindow, Message, Page, Query
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, SESSION
from contracts.session.session import GetSession, SessionView
from contracts.session.values import (
    CancelReason,
    OnBusy,
    RunStatus,
    ToolStatus,
    Usage,
)


class ToolUseView(Message):
    """A tool call as part of a run; what it gave is told by the tool call itself."""

    id: UUID
    tool_name: str
    tool_input: dict[str, Any]
    status: ToolStatus


class RunSummary(Message):
    """One query, and how far it is or how it ended; lists give the first 1,000 characters of `message`."""

    id: UUID
    session_id: UUID
    message: str
    status: RunStatus
    attempt: int
    error_code: Code | None
    error_detail: str | None
    usage: Usage
    created_at: datetime
    ended_at: datetime | None


class RunView(RunSummary):
    """One query and what came of it.

    `text` is the agent's last words, and `message_id` the message that has them; when it only used tools, its last
    message. `more_tool_calls` tells that it made more calls than `tool_calls` has: the list of tool calls goes on.
    """

    message_id: UUID | None
    text: str
    structured_output: JsonValue
    tool_calls: list[ToolUseView]
    more_tool_calls: bool = False


class GetRun(Query[RunView]):
    """Asks for one run of a session."""

    subject = "qry.session.get_run"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class GetRunSummary(Query[RunSummary]):
    """Asks how far one run of a session is, without what came of it: cheap enough to be asked again and again."""

    subject = "qry.session.get_run_summary"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class ListRuns(KeysetWindow, Query[Page[RunSummary]]):
    """Asks for a session's runs, newest first."""

    subject = "qry.session.list_runs"
    sample = {"session_id": SESSION, "status": "queued"}

    session_id: UUID
    status: RunStatus | None = None


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


class StartRun(Command[RunSummary]):
    """A worker takes a run up. What another worker had begun is failed instead, for that worker is gone.

    A run that only waited for an approval goes on.
    """

    subject = "cmd.session.start_run"
    outcome_query = GetRunSummary
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


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


class RunQueued(Event):
    """Someone asked the agent something, and it has to wait for its turn; no worker sees it before."""

    subject = "evt.session.run_queued"
    sample = {"run_id": RUN, "message_id": MESSAGE, "message": "Hello"}

    run_id: UUID
    message_id: UUID
    message: str


class RunRequested(Event):
    """It is the run's turn; a worker is to take it up."""

    subject = "evt.session.run_requested"
    sample = {"run_id": RUN, "message_id": MESSAGE, "sequence_number": 1, "message": "Hello"}

    run_id: UUID
    message_id: UUID
    sequence_number: int
    message: str


class RunStarted(Event):
    """A worker has the run."""

    subject = "evt.session.run_started"
    sample = {"run_id": RUN, "attempt": 1}

    run_id: UUID
    attempt: int


class RunCompleted(Event):
    """The agent answered."""

    subject = "evt.session.run_completed"
    sample = {"run_id": RUN, "usage": {"duration_ms": 3250}}

    run_id: UUID
    usage: Usage
    structured_output: JsonValue = None


class RunFailed(Failure, Event):
    """The run ended without an answer; what was said before stays."""

    subject = "evt.session.run_failed"
    sample = {
        "run_id": RUN,
        "error_code": "MODEL_ERROR",
        "error_detail": "The model answered 529.",
        "usage": {},
    }

    run_id: UUID
    usage: Usage


class RunCancelled(Event):
    """Somebody ended the run before its time, while it waited or while it went; what was said before stays."""

    subject = "evt.session.run_cancelled"
    sample = {"run_id": RUN, "reason": "requested", "usage": {}}

    run_id: UUID
    reason: CancelReason
    usage: Usage


class UsageRecorded(Event):
    """What a run used that was ended before its agent could say so."""

    subject = "evt.session.usage_recorded"
    sample = {"run_id": RUN, "usage": {"cost_usd": "0.0012"}}

    run_id: UUID
    usage: Usage


class SessionPaused(Event):
    """No run of the session is requested until it is resumed; one that is going ends as ever."""

    subject = "evt.session.paused"
    sample = {}


class SessionResumed(Event):
    """The session goes on with what has queued up."""

    subject = "evt.session.resumed"
    sample = {}


RunEvent = (
    RunQueued
    | RunRequested
    | RunStarted
    | RunCompleted
    | RunFailed
    | RunCancelled
    | UsageRecorded
    | SessionPaused
    | SessionResumed
)
