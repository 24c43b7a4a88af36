"""Webhooks: signed requests that report events to the servers of users. One module per subject."""

from contracts.webhook.delivery import DeliveryEvent
from contracts.webhook.webhook import LifecycleEvent

type WebhookEvent = LifecycleEvent | DeliveryEvent
"""The events of a webhook. The unions of its parts are plain aliases, which it flattens."""
