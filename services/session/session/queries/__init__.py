"""What the session service answers: one module an aggregate."""

from eventing.handling import Handlers

from session.queries import session, template

answers = Handlers.together(session.answers, template.answers)
