"""Sessions, their runs and their conversations: a module a subject."""

from contracts.session.approval import ApprovalFact
from contracts.session.archive import ArchiveFact
from contracts.session.conversation import ConversationFact
from contracts.session.fork import ForkFact
from contracts.session.run import RunFact
from contracts.session.session import LifecycleFact

type SessionFact = LifecycleFact | RunFact | ConversationFact | ApprovalFact | ForkFact | ArchiveFact
"""The union of a subject is a plain alias, which `isinstance` takes: so folds and projections are divided."""
