"""The command handlers of the webhook service: each one loads, lets the aggregate decide, and saves."""

from eventing.handling import Handlers

from webhook.handlers import delivery, webhook

handles = Handlers.merge(webhook.handles, delivery.handles)
