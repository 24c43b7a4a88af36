"""The events that tasks may start on: those of the owner's sessions, and of the executions of the owner's tasks."""

from collections.abc import Iterable

from contracts.messages import Event
from contracts.refusals import Code, Refusal
from contracts.session.approval import ApprovalRequested
from contracts.session.archive import ArchiveFailed, SessionArchived, SessionUnarchived
from contracts.session.fork import ForkCompleted, ForkFailed
from contracts.session.run import RunCancelled, RunCompleted, RunFailed
from contracts.session.session import SessionCreated, SessionDeleted, SessionPaused
from contracts.task_scheduler.execution import ExecutionCompleted, ExecutionFailed, ExecutionMissed, ExecutionTimedOut
from contracts.wire import event_name

KINDS: tuple[type[Event], ...] = (
    SessionCreated,
    SessionPaused,
    SessionArchived,
    ArchiveFailed,
    SessionUnarchived,
    SessionDeleted,
    ForkCompleted,
    ForkFailed,
    RunCompleted,
    RunFailed,
    RunCancelled,
    ApprovalRequested,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTimedOut,
    ExecutionMissed,
)
"""Events of which a user has few. An execution that is skipped is none of them, so that a loop of tasks ends."""
EVENT_NAMES = tuple(event_name(kind.subject) for kind in KINDS)
WILDCARDS = tuple(dict.fromkeys(f"{name.partition('.')[0]}.*" for name in EVENT_NAMES))
"""`session.*` stands for all events of sessions in `EVENT_NAMES`."""


def check_event_names(names: Iterable[str]) -> None:
    """Check that tasks may start on these events, each named exactly or by a wildcard.

    Raises:
        Refusal: INVALID_EVENT_NAME.
    """
    for name in names:
        if name not in EVENT_NAMES and name not in WILDCARDS:
            possible = ", ".join((*WILDCARDS, *EVENT_NAMES))
            raise Refusal(Code.INVALID_EVENT_NAME, f"on: {name!r} cannot start a task. Possible are {possible}.")


def matching(names: Iterable[str]) -> list[str]:
    """Return the events that are named exactly or by a wildcard, each once."""
    wanted = {*names}
    return [name for name in EVENT_NAMES if name in wanted or f"{name.partition('.')[0]}.*" in wanted]
