"""The events of a deleted webhook are erased, and its secret is stored only sealed."""

import pytest
from contracts.refusals import Code, Refusal
from contracts.webhook.webhook import DeleteWebhook, RotateSecret
from eventing.database import Database
from eventing.testing.breaking import WORD, erase_deleted

from .desk import Desk

TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'webhook'"


async def found(desk: Desk, *texts: str) -> list[str]:
    """Return those of the texts that any table holds, as they are or as bytes."""
    tables = [row["name"] for row in await desk.database.fetch(TABLES)]
    assert {"events", "webhooks", "deliveries"} <= {*tables}
    rows = [await desk.database.fetch(f"SELECT t::text AS content FROM {name} AS t") for name in tables]  # noqa: S608
    content = "\n".join(row["content"] for table in rows for row in table)
    return [text for text in texts if text in content or text.encode().hex() in content]


async def test_secrets_are_stored_sealed(desk: Desk) -> None:
    created = await desk.create()
    rotated = await desk.send(RotateSecret(webhook_id=created.id))
    secrets = [each.secret.removeprefix("whsec_") for each in (created, rotated)]
    assert await found(desk, created.url, *secrets) == [created.url]


async def test_events_of_a_deleted_webhook_are_erased(desk: Desk, owner: Database) -> None:
    id = (await desk.create(url=f"https://{WORD}.example.com/")).id
    await desk.send(DeleteWebhook(webhook_id=id))
    assert await found(desk, WORD) == [WORD]
    await erase_deleted(desk.database, owner)
    assert await found(desk, WORD) == []
    with pytest.raises(Refusal, match=Code.WEBHOOK_NOT_FOUND):
        await desk.change(id, description="too late")
