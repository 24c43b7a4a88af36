"""Which events become deliveries of which webhooks, and what is sent for them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from contracts import public_event
from contracts.messages import Event
from contracts.webhook.values import MAX_PAYLOAD_BYTES
from runtime.clock import new_id
from webhook import aggregate
from webhook.payloads import RETENTION, RETENTION_OF_DELETED

from .desk import Desk
from .samples import ADMIN, NOON, OWNER, STRANGER, event


async def payloads(desk: Desk) -> list[dict[str, Any]]:
    rows = await desk.database.fetch("SELECT p.body FROM payloads p JOIN deliveries d USING (event_id) ORDER BY number")
    return [json.loads(row["body"]) for row in rows]


async def test_a_webhook_gets_the_events_of_its_owner(desk: Desk) -> None:
    own, other = await desk.create(), await desk.create(STRANGER)
    await desk.publish(event(run_id="1"))
    assert [each.type for each in await desk.deliveries(own.id)] == ["session.run_started"]
    assert await desk.deliveries(other.id) == []


async def test_a_webhook_of_all_users_gets_the_events_of_all(desk: Desk) -> None:
    webhook, admins_own = await desk.create(ADMIN, all_users=True), await desk.create(ADMIN)
    await desk.publish(event(), event(owner=STRANGER), event(owner=ADMIN))
    assert len(await desk.deliveries(webhook.id)) == 3
    assert len(await desk.deliveries(admins_own.id)) == 1


async def test_only_the_wanted_types_are_sent(desk: Desk) -> None:
    webhook = await desk.create(types=["session.run_*", "task.created"])
    await desk.publish(event(), event("session.paused"), event("task_scheduler.created"), event("report.created"))
    assert [each.type for each in await desk.deliveries(webhook.id)] == ["session.run_started", "task.created"]


async def test_a_type_that_no_release_knows_any_more_selects_nothing(desk: Desk) -> None:
    webhook = await desk.create()
    await desk.database.execute("UPDATE webhooks SET types = '{session.forgotten, task.*}'")
    await desk.publish(event(), event("task_scheduler.created"))
    assert [each.type for each in await desk.deliveries(webhook.id)] == ["task.created"]


async def test_events_before_the_webhook_are_not_sent(desk: Desk) -> None:
    desk.at(NOON)
    webhook = await desk.create()
    await desk.publish(event(at=NOON - timedelta(seconds=1)), event(at=NOON))
    assert [each.created_at for each in await desk.deliveries(webhook.id)] == [NOON]


async def test_events_while_it_was_disabled_are_not_sent(desk: Desk) -> None:
    desk.at(NOON)
    id, later = (await desk.create()).id, NOON + timedelta(minutes=1)
    await desk.change(id, is_active=False)
    await desk.publish(event(at=NOON))
    desk.at(later)
    await desk.change(id, is_active=True)
    await desk.publish(event(at=NOON), event(at=later))
    assert [each.created_at for each in await desk.deliveries(id)] == [later]


async def test_a_webhook_gets_no_events_about_itself(desk: Desk) -> None:
    one, other = await desk.create(types=["webhook.*"]), await desk.create(types=["webhook.*"])
    await desk.publish(event("webhook.disabled", resource=one.id))
    assert await desk.deliveries(one.id) == []
    assert len(await desk.deliveries(other.id)) == 1


async def test_an_event_that_is_stored_twice_is_one_delivery(desk: Desk) -> None:
    webhook, once = await desk.create(), event()
    await desk.publish(once)
    await desk.publish(once)
    assert len(await desk.deliveries(webhook.id)) == 1


async def test_a_payload_is_the_public_form_of_the_event(desk: Desk) -> None:
    await desk.create()
    sent = event(run_id="1", text="a\0b")
    await desk.publish(sent)
    assert await payloads(desk) == [sent.payload()]


class Renamed(Event):
    """The second version of an event, in which a field has another name."""

    subject = "evt.session.run_started"
    version = 2
    sample = {"cups": 2}

    cups: int

    @classmethod
    def downcast(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        return {"glasses": data["cups"]}


async def test_a_webhook_gets_the_version_that_it_was_created_with(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(public_event.KINDS, "session.run_started", Renamed)
    for module in (public_event, aggregate):
        monkeypatch.setattr(module, "PAYLOAD_VERSION", 2)
    await desk.create()
    for version in (1, 2):
        await desk.create(payload_version=version)
    await desk.publish(event(cups=2))
    rows = await desk.database.fetch("SELECT version, body::json->>'glasses' g, body::json->>'cups' c FROM payloads")
    assert {tuple(row) for row in rows} == {(1, "2", None), (2, None, "2")}


async def test_large_values_are_previews(desk: Desk) -> None:
    await desk.create()
    await desk.publish(event(tool_input={"content": "a" * 100_000}))
    [payload] = await payloads(desk)
    assert payload["tool_input"]["truncated"]


async def test_a_payload_has_at_most_256_kib(desk: Desk) -> None:
    await desk.create()
    sent = event(blocks=[{"type": "text", "text": "a" * 10_000}] * 40)
    await desk.publish(sent)
    body = await desk.database.fetchval("SELECT body FROM payloads")
    assert len(body) < 10_000 < MAX_PAYLOAD_BYTES
    assert json.loads(body)["truncated"]
    assert sent._replace(data={}).payload().items() <= json.loads(body).items()


@pytest.mark.parametrize(
    ("name", "deletion"), [("session.run_started", "session.deleted"), ("webhook.updated", "webhook.deleted")]
)
async def test_what_is_sent_about_a_deleted_resource_is_kept_for_a_day(desk: Desk, name: str, deletion: str) -> None:
    desk.at(NOON)
    await desk.create(types=["*"])
    id = new_id()
    await desk.publish(event(name, resource=id, at=NOON))
    await desk.publish(event(name, resource=id, at=NOON), event(deletion, resource=id, at=NOON), event(at=NOON))
    query = "SELECT expires_at FROM payloads JOIN deliveries USING (event_id) ORDER BY number"
    rows = await desk.database.fetch(query)
    kept = [row["expires_at"] - NOON for row in rows]
    assert kept == [RETENTION_OF_DELETED, RETENTION_OF_DELETED, RETENTION, RETENTION]


async def test_the_executions_of_a_deleted_task_belong_to_it(desk: Desk) -> None:
    desk.at(NOON)
    await desk.create(types=["*"])
    task = new_id()
    await desk.publish(event("task_scheduler.execution_started", at=NOON, task_id=str(task)))
    await desk.publish(event("task_scheduler.deleted", resource=task, at=NOON))
    rows = await desk.database.fetch("SELECT expires_at FROM payloads ORDER BY expires_at")
    assert [row["expires_at"] - NOON for row in rows] == [RETENTION_OF_DELETED, RETENTION]


async def test_one_payload_is_stored_for_all_webhooks(desk: Desk) -> None:
    for _ in range(3):
        await desk.create(OWNER)
    await desk.publish(event())
    assert await desk.database.fetchval("SELECT count(*) FROM payloads") == 1
    assert await desk.database.fetchval("SELECT count(*) FROM deliveries") == 3
