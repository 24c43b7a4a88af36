"""Handlers of queries about webhooks."""

from contracts.messages import Page
from contracts.refusals import Code
from contracts.webhook.webhook import GetWebhook, ListWebhooks, WebhookView
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table

from webhook.dependencies import Context

WEBHOOKS = Table("webhooks", Code.WEBHOOK_NOT_FOUND)
COLUMNS = ", ".join(WebhookView.model_fields)


def _view(row: Row) -> WebhookView:
    return WebhookView(**row)


LISTING = Listing(WEBHOOKS, COLUMNS, _view)

answers = Handlers()


@answers
async def get_webhook(query: GetWebhook, context: Context) -> WebhookView:
    """Return a webhook: an own one, or any for an admin."""
    return _view(await WEBHOOKS.fetch(COLUMNS, query.webhook_id, context))


@answers
async def list_webhooks(query: ListWebhooks, context: Context) -> Page[WebhookView]:
    """Return the actor's webhooks (for an admin, all), newest first."""
    return await LISTING.page(query, context, Filters(is_active=query.is_active, user_id=query.user_id))
