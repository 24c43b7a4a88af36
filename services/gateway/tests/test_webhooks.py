"""The routes of webhooks."""

from typing import Any

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import DELIVERY, TIME, WEBHOOK
from contracts.webhook.delivery import DeliveryView, GetDelivery, ListDeliveries, Redeliver, RedeliverSince, SendTest
from contracts.webhook.webhook import (
    ChangeWebhook,
    CreateWebhook,
    DeleteWebhook,
    GetWebhook,
    ListWebhooks,
    NewWebhook,
    RotateSecret,
    WebhookView,
)
from gateway.schemas.times import RULE

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

WEBHOOKS = "/api/v1/webhooks"
ONE = f"{WEBHOOKS}/{WEBHOOK}"
DELIVERIES = f"{ONE}/deliveries"
BODY = {"url": "https://ops.example.com/agents", "types": ["session.*"]}


async def test_a_created_webhook_is_returned_with_its_secret(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateWebhook, NewWebhook.example())
    response = await client.post(WEBHOOKS, json=BODY)
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert response.json()["secret"] == NewWebhook.example().secret
    assert response.headers["cache-control"] == "no-store"
    definition = services.of(CreateWebhook)[-1].definition
    assert (definition.url, definition.types, definition.payload_version) == (BODY["url"], BODY["types"], 1)


@each(
    "wrong",
    [{"url": None}, {"types": "session.*"}, {"types": [1]}, {"all_users": "yes"}, {"secret": "mine"}],
)
async def test_an_invalid_webhook_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.post(WEBHOOKS, json=BODY | wrong)).status_code == 422


@each(
    ("code", "status"),
    [
        (Code.INVALID_EVENT_NAME, 422),
        (Code.INVALID_WEBHOOK, 422),
        (Code.ADDRESS_NOT_ALLOWED, 422),
        (Code.ADMINS_ONLY, 403),
        (Code.TOO_MANY_WEBHOOKS, 409),
    ],
)
async def test_refusals_have_their_status(client: httpx.AsyncClient, services: FakeServices, code: Code, status: int):
    await services.answer(CreateWebhook, Refused(code=code, detail="No."))
    response = await client.post(WEBHOOKS, json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


async def test_webhooks_are_returned_without_their_secrets(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetWebhook, WebhookView.example())
    await services.answer(ListWebhooks, Page(items=[WebhookView.example()], total=1))
    [listed] = (await client.get(WEBHOOKS, params={"is_active": True})).json()["items"]
    assert listed == (await client.get(ONE)).json()
    assert (listed["id"], "secret" in listed) == (WEBHOOK, False)
    assert services.of(ListWebhooks)[-1].is_active


async def test_only_the_fields_that_are_sent_are_changed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeWebhook, WebhookView.example())
    assert (await client.patch(ONE, json={"is_active": False})).status_code == 200
    assert services.of(ChangeWebhook)[-1].changes.model_fields_set == {"is_active"}


async def test_a_webhook_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteWebhook, None)
    assert (await client.delete(ONE)).status_code == 204


async def test_a_rotated_secret_is_returned_once(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(RotateSecret, NewWebhook.example())
    response = await client.post(f"{ONE}/rotate-secret")
    assert (response.status_code, response.json()["secret"]) == (200, NewWebhook.example().secret)


@each(("path", "kind"), [(f"{ONE}/test", SendTest), (f"{DELIVERIES}/{DELIVERY}/redeliver", Redeliver)])
async def test_a_requested_delivery_is_shown(client: httpx.AsyncClient, services: FakeServices, path: str, kind: Any):
    await services.answer(kind, DeliveryView.example())
    response = await client.post(path)
    assert (response.status_code, response.headers["location"]) == (202, f"{DELIVERIES}/{DELIVERY}")
    assert response.json()["id"] == DELIVERY


async def test_deliveries_are_returned_with_their_attempts(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListDeliveries, Page(items=[DeliveryView.example()], total=1))
    await services.answer(GetDelivery, DeliveryView.example())
    [listed] = (await client.get(DELIVERIES, params={"status": "failed"})).json()["items"]
    assert listed == (await client.get(f"{DELIVERIES}/{DELIVERY}")).json()
    assert listed["attempts"][0]["status_code"] == 200
    assert services.of(ListDeliveries)[-1].status == "failed"


async def test_deliveries_since_a_time_are_repeated(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(RedeliverSince, WebhookView.example())
    response = await client.post(f"{ONE}/redeliver", json={"since": TIME, "only_failed": True})
    assert response.status_code == 202
    assert services.of(RedeliverSince)[-1].only_failed


@each("since", ["yesterday", "2026-11-30T09:00:00", None, 0, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_what_is_no_time_with_a_zone_is_422(client: httpx.AsyncClient, since: Any):
    response = await client.post(f"{ONE}/redeliver", json={"since": since})
    assert (response.status_code, response.json()["detail"]) == (422, f"since: {RULE}.")
