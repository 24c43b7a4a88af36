"""Sends the deliveries of webhooks, in the order of each resource, until they arrive or have failed for days."""

from webhook.delivery.deliverer import Deliverer

__all__ = ["Deliverer"]
