"""What commands do, and which are refused."""

import re
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.webhook.delivery import Redeliver, RedeliverSince, SendTest
from contracts.webhook.webhook import DeleteWebhook, DisableWebhook, GetWebhook, RotateSecret
from runtime.clock import new_id
from webhook import constraints
from webhook.secret_tables import signing_secrets

from .desk import DAYS, Desk
from .samples import ADMIN, NOON, OWNER, STRANGER, event

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


async def test_a_secret_is_returned_once(desk: Desk) -> None:
    created = await desk.create()
    assert SECRET.fullmatch(created.secret)
    assert created.secret not in (await desk.latest(created.id)).model_dump_json()


async def test_a_rotated_secret_signs_together_with_the_new_one_for_a_day(desk: Desk) -> None:
    desk.at(NOON)
    created = await desk.create()
    rotated = await desk.send(RotateSecret(webhook_id=created.id))
    assert await signing_secrets(created.id, desk.database, NOON) == [rotated.secret, created.secret]
    assert await signing_secrets(created.id, desk.database, NOON + DAYS) == [rotated.secret]
    assert rotated.rotated_at == NOON


@pytest.mark.parametrize("url", ["http://127.0.0.2/", "http://10.0.0.1", "http://[::1]/", "http://2130706433/"])
async def test_a_special_address_is_refused(desk: Desk, url: str) -> None:
    with pytest.raises(Refusal, match=r"WEBHOOK_ALLOWED_ADDRESSES|usual notation") as refused:
        await desk.create(url=url)
    assert refused.value.code == Code.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("host", ["[::1", "[example.com]", "::1]", "[]"])
async def test_a_host_with_wrong_brackets_is_refused(desk: Desk, host: str) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_WEBHOOK):
        await desk.create(url=f"https://{host}/")


async def test_a_url_cannot_be_changed_to_a_special_address(desk: Desk) -> None:
    webhook = await desk.create()
    with pytest.raises(Refusal, match=Code.ADDRESS_NOT_ALLOWED):
        await desk.change(webhook.id, url="http://169.254.169.254/")


async def test_only_administrators_have_webhooks_for_all_users(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.create(all_users=True)
    assert (await desk.create(ADMIN, all_users=True)).all_users


async def test_the_number_of_webhooks_of_a_user_is_limited(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "MAX_WEBHOOKS", 1)
    await desk.create()
    with pytest.raises(Refusal, match=Code.TOO_MANY_WEBHOOKS):
        await desk.create()
    await desk.create(STRANGER)
    for _ in range(2):
        await desk.create(ADMIN)


async def test_webhooks_of_others_do_not_exist(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    [delivery] = await desk.deliveries(id)
    for message in (
        DeleteWebhook(webhook_id=id),
        RotateSecret(webhook_id=id),
        SendTest(webhook_id=id, delivery_id=new_id()),
        Redeliver(webhook_id=id, delivery_id=delivery.id),
        RedeliverSince(webhook_id=id, since=NOON),
    ):
        with pytest.raises(Refusal, match=Code.WEBHOOK_NOT_FOUND):
            await desk.send(message, STRANGER)
    with pytest.raises(Refusal, match=Code.WEBHOOK_NOT_FOUND):
        await desk.change(id, STRANGER, is_active=False)


async def test_a_delivery_of_another_webhook_is_not_repeated(desk: Desk) -> None:
    one, other = await desk.create(), await desk.create(types=["task.*"])
    await desk.publish(event())
    [delivery] = await desk.deliveries(one.id)
    with pytest.raises(Refusal, match=Code.DELIVERY_NOT_FOUND):
        await desk.send(Redeliver(webhook_id=other.id, delivery_id=delivery.id), OWNER)


async def test_a_webhook_that_was_deleted_is_not_disabled(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.send(DeleteWebhook(webhook_id=id))
    await desk.send(DisableWebhook(webhook_id=id, reason="gone"))
    await desk.send(DisableWebhook(webhook_id=UUID(int=1), reason="gone"))
    with pytest.raises(Refusal, match=Code.WEBHOOK_NOT_FOUND):
        await desk.ask(GetWebhook(webhook_id=id))
