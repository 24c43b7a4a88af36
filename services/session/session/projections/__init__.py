"""The read models of the session service, written in the transaction that stores the fact: a module a subject."""

from contracts.session import SessionFact
from contracts.session.approval import ApprovalFact
from contracts.session.archive import ArchiveFact
from contracts.session.conversation import ConversationFact
from contracts.session.fork import ForkFact
from contracts.session.run import RunFact
from contracts.session.session import LifecycleFact
from contracts.session.template import TemplateFact
from eventing.database import Connection
from eventing.recording import Recorded

from session.projections.approval import project_approval
from session.projections.archive import project_archive
from session.projections.conversation import project_conversation
from session.projections.fork import project_fork
from session.projections.run import project_run
from session.projections.session import project_lifecycle
from session.projections.template import project_template


async def project(recorded: Recorded[SessionFact | TemplateFact], db: Connection) -> None:
    """Write what one fact means for those who read: each subject writes its own."""
    fact = recorded.fact
    if isinstance(fact, ConversationFact):
        await project_conversation(fact, recorded, db)
    elif isinstance(fact, RunFact):
        await project_run(fact, recorded, db)
    elif isinstance(fact, ApprovalFact):
        await project_approval(fact, recorded, db)
    elif isinstance(fact, LifecycleFact):
        await project_lifecycle(fact, recorded, db)
    elif isinstance(fact, ForkFact):
        await project_fork(fact, recorded, db)
    elif isinstance(fact, ArchiveFact):
        await project_archive(fact, recorded, db)
    else:
        await project_template(fact, recorded, db)
