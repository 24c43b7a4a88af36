"""Handlers of queries about deliveries."""

from contracts.messages import Page
from contracts.refusals import Code
from contracts.webhook.delivery import DeliveryView, GetDelivery, ListDeliveries
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table

from webhook.dependencies import Context
from webhook.queries.webhook import WEBHOOKS

# Access to them is decided by the webhook: queries read it first. Only the first pending one of a lane has a next
# attempt, at a time that is that of a claim while a request is in progress.
DELIVERIES = Table(
    "deliveries LEFT JOIN LATERAL (SELECT l.next_at AS next_attempt_at FROM lanes AS l "
    "WHERE l.webhook_id = deliveries.webhook_id AND l.resource_id = deliveries.resource_id AND l.claim IS NULL "
    "AND deliveries.status = 'pending' AND isfinite(l.next_at) AND NOT EXISTS (SELECT FROM deliveries AS earlier "
    "WHERE earlier.webhook_id = deliveries.webhook_id AND earlier.resource_id = deliveries.resource_id "
    "AND earlier.status = 'pending' AND earlier.number < deliveries.number)) AS next ON true",
    Code.DELIVERY_NOT_FOUND,
    readable=None,
    key="number",
    rows="deliveries",
)
MAX_TOTAL = 10_000
COLUMNS = ", ".join(DeliveryView.model_fields)


def _view(row: Row) -> DeliveryView:
    return DeliveryView(**row)


LISTING = Listing(DELIVERIES, COLUMNS, _view, max_total=MAX_TOTAL)

answers = Handlers()


@answers
async def get_delivery(query: GetDelivery, context: Context) -> DeliveryView:
    """Return a delivery of a webhook that the actor may see."""
    await WEBHOOKS.fetch("id", query.webhook_id, context)
    return _view(await DELIVERIES.fetch(COLUMNS, query.delivery_id, context, webhook_id=query.webhook_id))


@answers
async def list_deliveries(query: ListDeliveries, context: Context) -> Page[DeliveryView]:
    """Return the deliveries of a webhook that the actor may see, newest first."""
    await WEBHOOKS.fetch("id", query.webhook_id, context)
    filters, within = Filters(status=query.status, type=query.type), Filters(webhook_id=query.webhook_id)
    return await LISTING.page(query, context, filters, within=within)
