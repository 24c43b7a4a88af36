"""What the session service answers, from its read models: a module a subject."""

from eventing.handling import Handlers

from session.queries import approval, archive, conversation, run, session, template, workspace

answers = Handlers.merge(
    *(session.answers, conversation.answers, run.answers, approval.answers, workspace.answers, archive.answers),
    template.answers,
)
