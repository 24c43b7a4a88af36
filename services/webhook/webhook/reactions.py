"""The reactions of the webhook service."""

from contracts.webhook.webhook import WebhookDeleted
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from webhook.delivery.upkeep import remove_deliveries
from webhook.dependencies import Dependencies

reactions = Reactions()


@reactions.shared("remove_deliveries")
async def remove(recorded: Recorded[WebhookDeleted], reaction: Reaction[Dependencies]) -> None:
    """Remove the deliveries of a webhook that was deleted: too many to do it in the transaction of the event."""
    await remove_deliveries(recorded.id, reaction.dependencies.database)
