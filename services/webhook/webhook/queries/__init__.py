"""The query handlers of the webhook service, which read its read models: one module per subject."""

from eventing.handling import Handlers

from webhook.queries import delivery, webhook

answers = Handlers.merge(webhook.answers, delivery.answers)
