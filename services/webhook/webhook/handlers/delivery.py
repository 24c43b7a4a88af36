"""Handlers of commands about deliveries."""

from contracts.webhook.delivery import GetDelivery, Redeliver, RedeliverSince, SendTest
from eventing.handling import Handlers

from webhook.aggregate import Webhook
from webhook.dependencies import Work

handles = Handlers()


@handles
async def send_test(command: SendTest, work: Work) -> None:
    """Send a test."""
    async with work.change(Webhook, command.webhook_id) as webhook:
        webhook.test(command.delivery_id)


@handles
async def redeliver(command: Redeliver, work: Work) -> None:
    """Repeat a delivery, unless it is pending."""
    delivery = await work.ask(GetDelivery(webhook_id=command.webhook_id, delivery_id=command.delivery_id))
    async with work.change(Webhook, command.webhook_id) as webhook:
        webhook.redeliver(delivery.id)


@handles
async def redeliver_since(command: RedeliverSince, work: Work) -> None:
    """Repeat all deliveries since a time that have ended, or failed."""
    async with work.change(Webhook, command.webhook_id) as webhook:
        webhook.redeliver_since(command.since, only_failed=command.only_failed)
