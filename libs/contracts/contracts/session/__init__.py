"""Sessions, their runs and their conversations: a module a subject."""

from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecisionDelivered
from contracts.session.archive import (
    ArchiveFailed,
    ArchiveRequested,
    SessionArchived,
    SessionUnarchived,
    UnarchiveFailed,
    UnarchiveRequested,
)
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.fork import ForkCompleted, ForkFailed, SessionForked
from contracts.session.run import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionPaused,
    SessionResumed,
    UsageRecorded,
)
from contracts.session.session import EnvironmentSet, SessionChanged, SessionCreated, SessionDeleted

type SessionFact = (
    SessionCreated
    | SessionChanged
    | EnvironmentSet
    | RunQueued
    | RunRequested
    | RunStarted
    | MessageRecorded
    | ToolCallStarted
    | ToolCallEnded
    | ApprovalRequested
    | ApprovalDecided
    | DecisionDelivered
    | RunCompleted
    | RunFailed
    | RunCancelled
    | UsageRecorded
    | SessionPaused
    | SessionResumed
    | SessionDeleted
    | SessionForked
    | ForkCompleted
    | ForkFailed
    | ArchiveRequested
    | SessionArchived
    | ArchiveFailed
    | UnarchiveRequested
    | SessionUnarchived
    | UnarchiveFailed
)
