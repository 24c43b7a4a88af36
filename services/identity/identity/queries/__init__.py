"""The query handlers of the identity service, which read its read models: one module per subject."""

from eventing.handling import Handlers

from identity.queries import api_key, audit, bus_user, login, statistics, user

answers = Handlers.merge(
    user.answers, login.answers, api_key.answers, bus_user.answers, statistics.answers, audit.answers
)
