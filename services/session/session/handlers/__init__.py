"""What the session service does on a command, a module a subject: load, let the aggregate decide, save."""

from eventing.handling import Handlers

from session.handlers import approval, archive, conversation, fork, run, session, template, workspace

handles = Handlers.merge(
    *(session.handles, run.handles, conversation.handles, approval.handles, fork.handles, archive.handles),
    *(workspace.handles, template.handles),
)
