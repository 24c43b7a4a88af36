"""What the session service answers, from its read models: a module a subject."""

from eventing.handling import Handlers

from session.queries import approval, archive, conversation, file, run, session, template

answers = Handlers.together(
    *(session.answers, conversation.answers, run.answers, approval.answers, file.answers, archive.answers),
    template.answers,
)
