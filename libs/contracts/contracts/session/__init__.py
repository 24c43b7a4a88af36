"""Sessions, their runs and their conversations: a module a subject."""

from contracts.session.approval import ApprovalEvent
from contracts.session.archive import ArchiveEvent
from contracts.session.conversation import ConversationEvent
from contracts.session.fork import ForkEvent
from contracts.session.run import RunEvent
from contracts.session.session import LifecycleEvent

type SessionEvent = LifecycleEvent | RunEvent | ConversationEvent | ApprovalEvent | ForkEvent | ArchiveEvent
"""The union of a subject is a plain alias, which `isinstance` takes: so folds and projections are divided."""
