"""The read models of the webhook service, one module per subject, updated in the transaction of the event."""

from contracts.webhook import WebhookEvent
from eventing.projections import Projections

from webhook.projections.delivery import project_delivery
from webhook.projections.webhook import project_lifecycle

project = Projections(WebhookEvent, project_lifecycle, project_delivery)
