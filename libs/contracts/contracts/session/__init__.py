"""Sessions, their runs and their conversations: one module per subject."""

from contracts.session.approval import ApprovalEvent
from contracts.session.archive import ArchiveEvent
from contracts.session.conversation import ConversationEvent
from contracts.session.fork import ForkEvent
from contracts.session.mcp import McpEvent
from contracts.session.run import RunEvent
from contracts.session.session import LifecycleEvent

type SessionEvent = LifecycleEvent | RunEvent | ConversationEvent | ApprovalEvent | ForkEvent | ArchiveEvent | McpEvent
"""The events of a session. The unions of its parts are plain aliases, which it flattens."""
