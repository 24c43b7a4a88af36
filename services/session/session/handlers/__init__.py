"""What the session service does on a command, a module a subject: load, let the aggregate decide, save."""

from eventing.handling import Handlers

from session.handlers import approval, archive, file, fork, run, session, template

handles = Handlers.together(
    *(session.handles, run.handles, approval.handles, fork.handles, archive.handles, file.handles, template.handles)
)
