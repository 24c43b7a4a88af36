"""The read models of the session service, updated in the transaction that stores the event: one module per subject."""

from contracts.session import SessionEvent
from contracts.session.template import TemplateEvent
from eventing.projections import Projections

from session.projections.approval import project_approval
from session.projections.archive import project_archive
from session.projections.conversation import project_conversation
from session.projections.fork import project_fork
from session.projections.mcp import project_mcp
from session.projections.run import project_run
from session.projections.session import project_lifecycle
from session.projections.template import project_template

project = Projections(
    SessionEvent | TemplateEvent,
    *(project_conversation, project_run, project_approval, project_lifecycle),
    *(project_fork, project_archive, project_mcp, project_template),
)
