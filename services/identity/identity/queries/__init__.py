"""The query handlers of the identity service, which read its read models: one module per subject."""

from eventing.handling import Handlers

from identity.queries import api_key, audit, login, statistics, user

answers = Handlers.merge(user.answers, login.answers, api_key.answers, statistics.answers, audit.answers)
