"""The command handlers of the session service, one module per subject: load, let the aggregate decide, save."""

from eventing.handling import Handlers

from session.handlers import (
    approval,
    archive,
    conversation,
    fork,
    mcp,
    release,
    run,
    session,
    settling,
    template,
    workspace,
)

handles = Handlers.merge(
    *(session.handles, run.handles, conversation.handles, approval.handles, fork.handles, archive.handles),
    *(workspace.handles, template.handles, mcp.handles, release.handles, settling.handles),
)
