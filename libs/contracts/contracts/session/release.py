"""All messages about the release of runs that only wait for approvals."""

from uuid import UUID

from contracts.messages import Command, ProgressEvent
from contracts.samples import RUN, SESSION
from contracts.session.values import Usage


class ReleaseRun(Command[None]):
    """Release a run that only waits for approvals: its agent has ended, and no worker has it until all are decided.

    A run that does more than wait ends as interrupted. `usage` is what the released agent has used.
    """

    subject = "cmd.session.release_run"
    senders = ()
    sample = {"session_id": SESSION, "run_id": RUN, "attempt": 1, "usage": {"cost_usd": "0.0012"}}

    session_id: UUID
    run_id: UUID
    attempt: int
    usage: Usage = Usage()


class RunReleased(ProgressEvent):
    """The worker of a run that only waits for approvals has ended its agent; `usage` is that of the run so far."""

    subject = "evt.session.run_released"
    sample = {"run_id": RUN, "usage": {"cost_usd": "0.0012"}}

    run_id: UUID
    usage: Usage


class RunContinued(ProgressEvent):
    """The approvals that a released run waited for are decided; a worker has to continue it."""

    subject = "evt.session.run_continued"
    sample = {"run_id": RUN}

    run_id: UUID
