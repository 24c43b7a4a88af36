"""The read models of the session service, updated in the transaction that stores the event: one module per subject."""

from contracts.session import SessionEvent
from contracts.session.approval import ApprovalEvent
from contracts.session.archive import ArchiveEvent
from contracts.session.conversation import ConversationEvent
from contracts.session.fork import ForkEvent
from contracts.session.mcp import McpEvent
from contracts.session.run import RunEvent
from contracts.session.session import LifecycleEvent
from contracts.session.template import TemplateEvent
from eventing.database import Connection
from eventing.recording import Recorded

from session.projections.approval import project_approval
from session.projections.archive import project_archive
from session.projections.conversation import project_conversation
from session.projections.fork import project_fork
from session.projections.mcp import project_mcp
from session.projections.run import project_run
from session.projections.session import project_lifecycle
from session.projections.template import project_template


async def project(recorded: Recorded[SessionEvent | TemplateEvent], db: Connection) -> None:
    """Update the read model with one event, by its subject."""
    event = recorded.event
    if isinstance(event, ConversationEvent):
        await project_conversation(event, recorded, db)
    elif isinstance(event, RunEvent):
        await project_run(event, recorded, db)
    elif isinstance(event, ApprovalEvent):
        await project_approval(event, recorded, db)
    elif isinstance(event, LifecycleEvent):
        await project_lifecycle(event, recorded, db)
    elif isinstance(event, ForkEvent):
        await project_fork(event, recorded, db)
    elif isinstance(event, ArchiveEvent):
        await project_archive(event, recorded, db)
    elif isinstance(event, McpEvent):
        await project_mcp(event, recorded, db)
    else:
        await project_template(event, recorded, db)
