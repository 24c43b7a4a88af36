"""Webhooks: `/api/v1/webhooks`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.webhook.delivery import DeliveryView, GetDelivery, Redeliver, SendTest
from contracts.webhook.webhook import DeleteWebhook, GetWebhook, RotateSecret
from fastapi import APIRouter, Query, Request, Response

from gateway import ids
from gateway.clients.authentication import Caller
from gateway.problems import documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.webhook import (
    Delivery,
    DeliveryPage,
    DeliveryWindow,
    NewWebhook,
    Redeliveries,
    Webhook,
    WebhookChange,
    WebhookPage,
    WebhookWindow,
    WebhookWithSecret,
)

DEFINITION_PROBLEMS = (Code.ADDRESS_NOT_ALLOWED, Code.INVALID_EVENT_NAME, Code.INVALID_WEBHOOK)
ONE_PROBLEMS = (Code.WEBHOOK_NOT_FOUND, Code.DELIVERY_NOT_FOUND)

router = APIRouter(prefix="/api/v1/webhooks", tags=["Webhooks"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createWebhook",
    summary="Create a webhook",
    status_code=201,
    response_model=WebhookWithSecret,
    responses=headed(
        documented(Code.ADMINS_ONLY, Code.TOO_MANY_WEBHOOKS, *DEFINITION_PROBLEMS),
        {201: ("Location", "Cache-Control")},
    ),
)
async def create(body: NewWebhook, caller: Caller) -> Response:
    """Creates the webhook, and returns it with the secret that signs its requests, which is not shown again.

    The events that happen from now on are sent as signed requests (Standard Webhooks). A user has at most 20 webhooks.
    """
    webhook = WebhookWithSecret.of(await caller.ask(body.command()))
    return webhook.response(201, {"Location": f"/api/v1/webhooks/{webhook.id}"})


@router.get(
    "",
    operation_id="listWebhooks",
    summary="List webhooks",
    response_model=WebhookPage,
    responses=documented(Code.WEBHOOK_NOT_FOUND),
)
async def index(window: Annotated[WebhookWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the caller's webhooks, newest first, without their secrets. Administrators see all."""
    return WebhookPage.over(await caller.ask(window.query()), window, request).response()


@router.get(
    "/{webhook_id}",
    operation_id="getWebhook",
    summary="Get a webhook",
    response_model=Webhook,
    responses=documented(Code.WEBHOOK_NOT_FOUND),
)
async def show(webhook_id: UUID, caller: Caller) -> Response:
    """Returns the webhook: `disabled_reason` says why nothing is sent, `failing_since` since when requests fail."""
    return Webhook.of(await caller.ask(GetWebhook(webhook_id=webhook_id))).response()


@router.patch(
    "/{webhook_id}",
    operation_id="changeWebhook",
    summary="Update a webhook",
    response_model=Webhook,
    responses=documented(Code.WEBHOOK_NOT_FOUND, *DEFINITION_PROBLEMS),
)
async def change(webhook_id: UUID, body: WebhookChange, caller: Caller) -> Response:
    """Updates the fields that are sent, and returns the webhook. Changes take effect within a second.

    A webhook that is activated again sends what waits for it, but not the events of the time when it was disabled.
    """
    return Webhook.of(await caller.ask(body.command(webhook_id))).response()


@router.delete(
    "/{webhook_id}",
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    status_code=204,
    responses=documented(Code.WEBHOOK_NOT_FOUND),
)
async def delete(webhook_id: UUID, caller: Caller) -> Response:
    """Deletes the webhook with its secret and its deliveries."""
    await caller.ask(DeleteWebhook(webhook_id=webhook_id))
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Rotate the secret of a webhook",
    response_model=WebhookWithSecret,
    responses=documented(Code.WEBHOOK_NOT_FOUND),
)
async def rotate_secret(webhook_id: UUID, caller: Caller) -> Response:
    """Replaces the secret, and returns the webhook with the new one, which is not shown again.

    For 24 hours, requests have two signatures: one with each secret.
    """
    return WebhookWithSecret.of(await caller.ask(RotateSecret(webhook_id=webhook_id))).response()


@router.post(
    "/{webhook_id}/test",
    operation_id="testWebhook",
    summary="Test a webhook",
    status_code=202,
    response_model=Delivery,
    responses=headed(documented(*ONE_PROBLEMS), {202: ("Location",)}),
)
async def test(webhook_id: UUID, caller: Caller) -> Response:
    """Sends a request of the type `webhook.test`, once, also if the webhook is disabled, and returns its delivery.

    `Location` is that of the delivery, which shows the result.
    """
    return _accepted(await caller.ask(SendTest(webhook_id=webhook_id, delivery_id=ids.new_id())))


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="listDeliveries",
    summary="List deliveries",
    response_model=DeliveryPage,
    responses=documented(*ONE_PROBLEMS),
)
async def deliveries(
    webhook_id: UUID, window: Annotated[DeliveryWindow, Query()], caller: Caller, request: Request
) -> Response:
    """Returns the deliveries of the last seven days, newest first, with the answers of the receiver."""
    return DeliveryPage.over(await caller.ask(window.query(webhook_id)), window, request).response()


@router.get(
    "/{webhook_id}/deliveries/{delivery_id}",
    operation_id="getDelivery",
    summary="Get a delivery",
    response_model=Delivery,
    responses=documented(*ONE_PROBLEMS),
)
async def delivery(webhook_id: UUID, delivery_id: UUID, caller: Caller) -> Response:
    """Returns the delivery with its last attempts."""
    return Delivery.of(await caller.ask(GetDelivery(webhook_id=webhook_id, delivery_id=delivery_id))).response()


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    operation_id="redeliver",
    summary="Repeat a delivery",
    status_code=202,
    response_model=Delivery,
    responses=headed(documented(*ONE_PROBLEMS, Code.WEBHOOK_DISABLED), {202: ("Location",)}),
)
async def redeliver(webhook_id: UUID, delivery_id: UUID, caller: Caller) -> Response:
    """Sends the event again, with the same `webhook-id`, and returns the delivery. One that is pending stays so."""
    return _accepted(await caller.ask(Redeliver(webhook_id=webhook_id, delivery_id=delivery_id)))


@router.post(
    "/{webhook_id}/redeliver",
    operation_id="redeliverSince",
    summary="Repeat deliveries since a time",
    status_code=202,
    response_model=Webhook,
    responses=documented(Code.WEBHOOK_NOT_FOUND, Code.WEBHOOK_DISABLED),
)
async def redeliver_since(webhook_id: UUID, body: Redeliveries, caller: Caller) -> Response:
    """Sends all events since a time again, with the same `webhook-id` each, and returns the webhook."""
    return Webhook.of(await caller.ask(body.command(webhook_id))).response(202)


def _accepted(view: DeliveryView) -> Response:
    location = f"/api/v1/webhooks/{view.webhook_id}/deliveries/{view.id}"
    return Delivery.of(view).response(202, {"Location": location})
