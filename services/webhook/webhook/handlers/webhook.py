"""Handlers of commands about webhooks as a whole."""

import base64
import secrets
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.webhook.webhook import (
    ChangeWebhook,
    CreateWebhook,
    DeleteWebhook,
    DisableWebhook,
    GetWebhook,
    NewWebhook,
    RotateSecret,
)
from eventing.actors import check_admin
from eventing.handling import Handlers
from eventing.store import AggregateNotFound
from runtime.http.addresses import AddressNotAllowed

from webhook.aggregate import Webhook
from webhook.dependencies import Work

handles = Handlers()


@handles
async def create_webhook(command: CreateWebhook, work: Work) -> NewWebhook:
    """Create a webhook for the actor, with a new secret, which is returned only now."""
    if command.definition.all_users:
        check_admin(work.actor, "have webhooks for the events of all users")
    webhook, secret = Webhook(command.webhook_id), _new_secret()
    webhook.create(work.actor.user_id, command.definition, secret)
    _check_address(webhook, work)
    await work.save(webhook)
    return await _with_secret(webhook.id, secret, work)


@handles
async def change_webhook(command: ChangeWebhook, work: Work) -> None:
    """Change a webhook."""
    async with work.change(Webhook, command.webhook_id) as webhook:
        webhook.change(command.changes)
        _check_address(webhook, work)


@handles
async def rotate_secret(command: RotateSecret, work: Work) -> NewWebhook:
    """Replace the secret of a webhook by a new one, which is returned only now."""
    secret = _new_secret()
    async with work.change(Webhook, command.webhook_id) as webhook:
        webhook.rotate(secret, work.now)
    return await _with_secret(command.webhook_id, secret, work)


@handles
async def delete_webhook(command: DeleteWebhook, work: Work) -> None:
    """Delete a webhook."""
    async with work.change(Webhook, command.webhook_id) as webhook:
        webhook.delete()


@handles
async def disable_webhook(command: DisableWebhook, work: Work) -> None:
    """Disable a webhook, for the service itself; ignore one that was deleted."""
    with suppress(AggregateNotFound):
        webhook = await work.load(Webhook, command.webhook_id)
        if not webhook.deleted:
            webhook.disable(command.reason)
            await work.save(webhook)


async def _with_secret(webhook_id: UUID, secret: str, work: Work) -> NewWebhook:
    view = await work.ask(GetWebhook(webhook_id=webhook_id))
    return NewWebhook(**vars(view), secret=secret)


def _new_secret() -> str:
    """Return a new random secret, in the form of Standard Webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _check_address(webhook: Webhook, work: Work) -> None:
    """Check a URL with an address in place of a name; what names mean is checked whenever a connection is opened.

    Raises:
        Refusal: ADDRESS_NOT_ALLOWED; INVALID_WEBHOOK: brackets enclose no address of IPv6.
    """
    try:
        work.dependencies.rules.check_host(urlsplit(webhook.definition.url).hostname or "")
    except AddressNotAllowed as reason:
        raise Refusal(Code.ADDRESS_NOT_ALLOWED, f"url: {reason}") from None
    except ValueError:
        raise Refusal(Code.INVALID_WEBHOOK, "url: the host is not valid.") from None
