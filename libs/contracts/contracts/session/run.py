"""All messages about the runs of a session, queued, active and ended."""

from uuid import UUID

from pydantic import JsonValue

from contracts.messages import Command, Event, Failure, KeysetWindow, Page, ProgressEvent, Query
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, SESSION
from contracts.session.release import RunContinued, RunReleased, RunResumed
from contracts.session.run_view import RunSummary, RunView
from contracts.session.session import GetSession
from contracts.session.session_view import SessionView
from contracts.session.settling import OutcomesUnknown
from contracts.session.values import CancelReason, OnBusy, RunStatus, Usage


class GetRun(Query[RunView]):
    """Return one run of a session."""

    subject = "qry.session.get_run"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class GetRunSummary(Query[RunSummary]):
    """Return the status of one run of a session without its result; cheap enough for polling."""

    subject = "qry.session.get_run_summary"
    senders = ("gateway", "task_scheduler")
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class ListRuns(KeysetWindow, Query[Page[RunSummary]]):
    """Return the runs of a session, newest first."""

    subject = "qry.session.list_runs"
    senders = ("gateway", "report")
    sample = {"session_id": SESSION, "status": "queued"}

    session_id: UUID
    status: RunStatus | None = None


class SubmitQuery(Command[RunView]):
    """Start a run: send a message to the agent of a session.

    `on_busy` decides what happens while another run is active or the session is paused: `reject` refuses the command,
    `enqueue` queues the run, `interrupt` ends the active run and starts this one. `depth` is set if an agent sends it.
    """

    subject = "cmd.session.submit_query"
    senders = ("gateway", "task_scheduler")
    outcome_query = GetRun
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "message_id": MESSAGE,
        "message": "Analyze the error logs in /workspace/app.log",
    }

    session_id: UUID
    run_id: UUID
    message_id: UUID
    message: str
    on_busy: OnBusy = "reject"
    depth: int = 0


class CancelRun(Command[RunView]):
    """Cancel a queued or active run.

    With `in_advance`, also one that was not submitted: its submission will be refused. The answer is RUN_NOT_FOUND.
    """

    subject = "cmd.session.cancel_run"
    senders = ("gateway", "task_scheduler")
    outcome_query = GetRun
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID
    in_advance: bool = False


class InterruptSession(Command[SessionView]):
    """End the active run; the next queued run starts."""

    subject = "cmd.session.interrupt"
    outcome_query = GetSession
    sample = {"session_id": SESSION}

    session_id: UUID


class StartRun(Command[RunSummary]):
    """Start a run on a worker, or continue one whose worker is gone.

    A run that has lost too many workers, or that makes no progress, fails instead. `died` says that the worker still
    lives, and has lost its agent.
    """

    subject = "cmd.session.start_run"
    senders = ()
    outcome_query = GetRunSummary
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID
    died: bool = False


class EndRun(Command[None]):
    """End a run: with an answer or, if there is an `error_code`, without one.

    `attempt` fences a worker that was replaced; it is None if no worker has the run any more.
    """

    subject = "cmd.session.end_run"
    senders = ()
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


class RecordRunUsage(Command[None]):
    """Record the usage of a run that was cancelled because its session was deleted; nothing if it was recorded."""

    subject = "cmd.session.record_run_usage"
    senders = ()
    sample = {"session_id": SESSION, "run_id": RUN, "attempt": 1, "usage": {"cost_usd": "0.0012"}}

    session_id: UUID
    run_id: UUID
    attempt: int
    usage: Usage


class StartWaiting(Command[None]):
    """Start the first queued run of a session that waits because its owner has too many concurrent runs."""

    subject = "cmd.session.start_waiting"
    senders = ()
    sample = {"session_id": SESSION}

    session_id: UUID


class RunQueued(Event):
    """A query was queued; workers do not see it until it is requested."""

    subject = "evt.session.run_queued"
    sample = {"run_id": RUN, "message_id": MESSAGE, "message": "Hello"}

    run_id: UUID
    message_id: UUID
    message: str


class RunRequested(Event):
    """The run is next; a worker has to start it."""

    subject = "evt.session.run_requested"
    sample = {"run_id": RUN, "message_id": MESSAGE, "sequence_number": 1, "message": "Hello"}

    run_id: UUID
    message_id: UUID
    sequence_number: int
    message: str


class RunStarted(ProgressEvent):
    """A worker started the run; `attempt` is one more than that of the worker before.

    `model` is the one that the options of the session name at that time, or else the default of the service; None if
    there is no default. `usage` is what the run has used before, if a lost worker did not report its share.
    """

    subject = "evt.session.run_started"
    sample = {"run_id": RUN, "attempt": 1}

    run_id: UUID
    attempt: int
    model: str | None = None
    usage: Usage | None = None


class RunCompleted(ProgressEvent):
    """The run ended with an answer."""

    subject = "evt.session.run_completed"
    sample = {"run_id": RUN, "usage": {"duration_ms": 3250}}

    run_id: UUID
    usage: Usage
    structured_output: JsonValue = None


class RunFailed(Failure, ProgressEvent):
    """The run ended without an answer; messages recorded so far are kept."""

    subject = "evt.session.run_failed"
    sample = {
        "run_id": RUN,
        "error_code": "MODEL_ERROR",
        "error_detail": "The model provider is overloaded (HTTP 529). Try again later.",
        "usage": {},
    }

    run_id: UUID
    usage: Usage


class RunCancelled(Event):
    """A queued or active run was ended early; messages recorded so far are kept."""

    subject = "evt.session.run_cancelled"
    sample = {"run_id": RUN, "reason": "requested", "usage": {}}

    run_id: UUID
    reason: CancelReason
    usage: Usage


class UsageRecorded(ProgressEvent):
    """The usage of a run became known after its end, because its agent could not report it before."""

    subject = "evt.session.usage_recorded"
    sample = {"run_id": RUN, "usage": {"cost_usd": "0.0012"}}

    run_id: UUID
    usage: Usage


RunEvent = (
    RunQueued
    | RunRequested
    | RunStarted
    | RunResumed
    | RunReleased
    | RunContinued
    | OutcomesUnknown
    | RunCompleted
    | RunFailed
    | RunCancelled
    | UsageRecorded
)
