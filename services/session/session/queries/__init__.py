"""The query handlers of the session service, which read its read models: one module per subject."""

from eventing.handling import Handlers

from session.queries import approval, archive, conversation, cost, quota, run, session, template, workspace

answers = Handlers.merge(
    *(session.answers, conversation.answers, run.answers, approval.answers, workspace.answers, archive.answers),
    *(template.answers, cost.answers, quota.answers),
)
