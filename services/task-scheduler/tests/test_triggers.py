"""Triggers: created, shown, rotated and revoked, without ever revealing a secret."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.task import DeleteTask
from contracts.task_scheduler.trigger import (
    CreateTrigger,
    GetTrigger,
    ListTriggers,
    NewTrigger,
    RevokeTrigger,
    RotateTrigger,
)
from eventing.handling.dispatch import Dispatcher
from eventing.store import START
from task_scheduler.app import service

from .desk import NOON, STRANGER, Desk
from .webhooks import create_trigger, fire, refused, signed

DAY = timedelta(days=1)


async def test_a_trigger_is_created_with_its_secret(trigger: NewTrigger) -> None:
    assert (trigger.name, trigger.created_at, trigger.last_fired_at) == ("Deployments", NOON, None)
    assert trigger.secret.startswith("whsec_")


async def test_a_trigger_is_shown_without_its_secret(desk: Desk, trigger: NewTrigger) -> None:
    shown = await desk.ask(GetTrigger(task_id=trigger.task_id, trigger_id=trigger.id))
    assert shown.model_dump() == trigger.model_dump(exclude={"secret"})


async def test_triggers_are_listed_newest_first(desk: Desk, trigger: NewTrigger) -> None:
    newer = await create_trigger(desk, trigger.task_id)
    await create_trigger(desk, (await desk.create()).id)
    page = await desk.ask(ListTriggers(task_id=trigger.task_id))
    assert ([item.id for item in page.items], page.total) == ([newer.id, trigger.id], 2)


async def test_a_trigger_in_another_task_is_not_found(desk: Desk, trigger: NewTrigger) -> None:
    with pytest.raises(Refusal, match=Code.TRIGGER_NOT_FOUND):
        await desk.ask(GetTrigger(task_id=(await desk.create()).id, trigger_id=trigger.id))


@pytest.mark.parametrize("kind", [CreateTrigger, RotateTrigger, RevokeTrigger])
async def test_another_user_cannot_change_triggers(desk: Desk, trigger: NewTrigger, kind: type[Command[Any]]) -> None:
    command = kind.model_validate({"task_id": trigger.task_id, "trigger_id": trigger.id})
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.send(command, STRANGER)


async def test_another_user_cannot_see_triggers(desk: Desk, trigger: NewTrigger) -> None:
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.ask(GetTrigger(task_id=trigger.task_id, trigger_id=trigger.id), STRANGER)
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.ask(ListTriggers(task_id=trigger.task_id), STRANGER)


async def test_after_a_rotation_both_secrets_are_valid_for_a_day(desk: Desk, trigger: NewTrigger) -> None:
    rotated = await desk.send(RotateTrigger(task_id=trigger.task_id, trigger_id=trigger.id))
    assert (rotated.id, rotated.rotated_at) == (trigger.id, NOON)
    assert rotated.secret != trigger.secret
    await fire(desk, signed(trigger, "old"))
    await fire(desk, signed(rotated, "new"))


async def test_a_rotated_secret_ends_after_a_day(desk: Desk, trigger: NewTrigger) -> None:
    desk.at(NOON - DAY)
    rotated = await desk.send(RotateTrigger(task_id=trigger.task_id, trigger_id=trigger.id))
    desk.at(NOON)
    await refused(desk, signed(trigger, "old"), Code.INVALID_SIGNATURE)
    await fire(desk, signed(rotated, "new"))


async def test_a_revoked_trigger_leaves_the_list(desk: Desk, trigger: NewTrigger) -> None:
    await desk.send(RevokeTrigger(task_id=trigger.task_id, trigger_id=trigger.id))
    assert (await desk.ask(ListTriggers(task_id=trigger.task_id))).total == 0
    with pytest.raises(Refusal, match=Code.TRIGGER_NOT_FOUND):
        await desk.send(RevokeTrigger(task_id=trigger.task_id, trigger_id=trigger.id))


async def test_secrets_survive_a_restart(desk: Desk, trigger: NewTrigger) -> None:
    store = service.store(desk.database)
    replica = Dispatcher[Any](store, desk.database, desk.dependencies, service.commands, service.queries)
    assert not (await fire(desk, signed(trigger), replica)).repeated


async def test_no_secret_leaves_the_service(
    desk: Desk, trigger: NewTrigger, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    rotated = await desk.send(RotateTrigger(task_id=trigger.task_id, trigger_id=trigger.id))
    await fire(desk, signed(rotated))
    await refused(desk, signed(rotated, "msg_2", place="x"), Code.VARIABLES_MISSING)
    listed = await desk.ask(ListTriggers(task_id=trigger.task_id))
    stored = [entry.recorded.event for entry in await desk.dispatcher.store.feed(START, 1000)]
    published = [event.model_dump_json() for event in stored if event.published]
    rows = [dict(row) for row in await desk.database.fetch("SELECT * FROM triggers")]
    seen = "\n".join(
        [repr(stored), *published, listed.model_dump_json(), repr(rows), caplog.text, *capsys.readouterr()]
    )
    for secret in (trigger.secret, rotated.secret):
        assert secret.removeprefix("whsec_") not in seen
    assert str(trigger.id) in seen


async def test_a_deleted_task_leaves_no_trigger(desk: Desk, trigger: NewTrigger) -> None:
    await desk.send(DeleteTask(task_id=trigger.task_id))
    assert await desk.database.fetchval("SELECT count(*) FROM triggers") == 0
