"""All messages about runs that another agent goes on with, on purpose or because one was lost."""

from uuid import UUID

from contracts.messages import Command, ProgressEvent
from contracts.samples import RUN, SESSION
from contracts.session.values import ReleaseReason, ResumeReason, Usage


class ReleaseRun(Command[None]):
    """Release a run whose agent has ended: no worker has it until all its approvals are decided.

    With the reason `handover`, its replica stops, and no call was in progress. Otherwise, a run that does more than
    wait ends as interrupted. `usage` is what the released agent has used.
    """

    subject = "cmd.session.release_run"
    senders = ()
    sample = {"session_id": SESSION, "run_id": RUN, "attempt": 1, "usage": {"cost_usd": "0.0012"}}

    session_id: UUID
    run_id: UUID
    attempt: int
    usage: Usage = Usage()
    reason: ReleaseReason = "approval"


class RunReleased(ProgressEvent):
    """The worker of a run has ended its agent; `usage` is that of the run so far.

    The `reason` is `approval` if the run only waits for approvals, or `handover` if the replica of the worker stops.
    """

    subject = "evt.session.run_released"
    sample = {"run_id": RUN, "usage": {"cost_usd": "0.0012"}}

    run_id: UUID
    usage: Usage
    reason: ReleaseReason = "approval"


class RunContinued(ProgressEvent):
    """A released run waits for no approvals any more; a worker has to continue it."""

    subject = "evt.session.run_continued"
    sample = {"run_id": RUN}

    run_id: UUID


class RunResumed(ProgressEvent):
    """Another agent goes on with the run, as the one before was `lost` with its service, or has `agent_died`.

    With the reason `handover`, the service of the agent before was stopped, and has ended it on purpose.
    """

    subject = "evt.session.run_resumed"
    sample = {"run_id": RUN, "attempt": 2, "reason": "handover"}

    run_id: UUID
    attempt: int
    reason: ResumeReason
