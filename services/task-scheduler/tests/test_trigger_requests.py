"""Requests to the URL of a trigger, and the executions that they start."""

import asyncio
from datetime import timedelta
from typing import Any

from contracts.refusals import Code
from contracts.task_scheduler.execution import ExecutionCreated, GetExecution
from contracts.task_scheduler.task import DeleteTask, PauseTask
from contracts.task_scheduler.trigger import (
    CreateTrigger,
    GetTrigger,
    NewTrigger,
    RevokeTrigger,
)
from eventing.handling.dispatch import Dispatcher
from runtime.clock import new_id
from standardwebhooks import Webhook
from task_scheduler.app import service
from task_scheduler.webhook import new_secret

from .desk import ADMIN, NOON, OWNER, Desk
from .webhooks import create_trigger, fire, refused, signed


async def test_a_request_starts_the_task_with_its_variables(desk: Desk, trigger: NewTrigger) -> None:
    payload: dict[str, Any] = {"version": "1.4", "place": "production", "not a name": 1}
    fired = await fire(desk, signed(trigger, **payload))
    execution = fired.execution
    assert (execution.status, execution.trigger, execution.trigger_id) == ("running", "api", trigger.id)
    assert execution.variables == {"version": "1.4", "place": "production", "payload": payload}
    assert not fired.repeated


async def test_a_request_acts_for_the_owner_of_the_task(desk: Desk, trigger: NewTrigger) -> None:
    fired = await fire(desk, signed(trigger))
    created = await desk.dispatcher.store.latest(ExecutionCreated, fired.execution.id)
    assert created
    assert (created.owner, created.envelope.actor) == (OWNER.user_id, OWNER)


async def test_a_trigger_that_an_admin_created_acts_for_the_owner(desk: Desk) -> None:
    task = await desk.create()
    trigger = await desk.send(CreateTrigger(task_id=task.id, trigger_id=new_id()), ADMIN)
    assert (await fire(desk, signed(trigger))).execution.user_id == OWNER.user_id


async def test_the_last_request_is_shown(desk: Desk, trigger: NewTrigger) -> None:
    desk.at(NOON + timedelta(seconds=7))
    await fire(desk, signed(trigger))
    shown = await desk.ask(GetTrigger(task_id=trigger.task_id, trigger_id=trigger.id))
    assert shown.last_fired_at == NOON + timedelta(seconds=7)


async def test_a_repeated_request_returns_the_first_execution(desk: Desk, trigger: NewTrigger) -> None:
    first = await fire(desk, signed(trigger))
    again = await fire(desk, signed(trigger, version="1.5"))
    assert (again.repeated, again.execution) == (True, first.execution)
    assert len(await desk.executions(trigger.task_id)) == 1


async def test_a_request_is_repeated_even_while_the_task_is_paused(desk: Desk, trigger: NewTrigger) -> None:
    await fire(desk, signed(trigger))
    await desk.send(PauseTask(task_id=trigger.task_id))
    assert (await fire(desk, signed(trigger))).repeated


async def test_one_webhook_id_fires_each_trigger_once(desk: Desk, trigger: NewTrigger) -> None:
    other = await create_trigger(desk, trigger.task_id)
    executions = {(await fire(desk, signed(each))).execution.id for each in (trigger, other, trigger, other)}
    assert len(executions) == 2


async def test_a_forged_request_does_not_wait_for_the_lock_of_the_task(desk: Desk, trigger: NewTrigger) -> None:
    async with desk.dispatcher.locks.of(trigger.task_id):
        await refused(desk, signed(trigger, secret=new_secret()), Code.INVALID_SIGNATURE)


async def test_concurrent_requests_with_one_webhook_id_start_one_execution(desk: Desk, trigger: NewTrigger) -> None:
    # Two dispatchers share no lock, as two replicas do.
    store = service.store(desk.database)
    replica = Dispatcher[Any](store, desk.database, desk.dependencies, service.commands, service.queries)
    dispatchers = [desk.dispatcher, replica] * 50
    fired = await asyncio.gather(*(fire(desk, signed(trigger), each) for each in dispatchers))
    assert len({each.execution.id for each in fired}) == 1
    assert sum(not each.repeated for each in fired) == 1
    assert len(await desk.executions(trigger.task_id)) == 1


async def test_the_overlap_policy_applies_to_requests(desk: Desk) -> None:
    trigger = await create_trigger(desk, (await desk.create(overlap_policy="skip")).id)
    statuses = [(await fire(desk, signed(trigger, f"msg_{n}"))).execution.status for n in range(2)]
    assert statuses == ["running", "skipped"]


async def test_a_request_waits_for_its_turn(desk: Desk) -> None:
    trigger = await create_trigger(desk, (await desk.create(overlap_policy="queue_one")).id)
    statuses = [(await fire(desk, signed(trigger, f"msg_{n}"))).execution.status for n in range(3)]
    assert statuses == ["running", "pending", "skipped"]


async def test_a_paused_task_refuses_requests(desk: Desk, trigger: NewTrigger) -> None:
    await desk.send(PauseTask(task_id=trigger.task_id))
    await refused(desk, signed(trigger), Code.TASK_PAUSED)


async def test_a_request_without_a_needed_variable_is_refused(desk: Desk, trigger: NewTrigger) -> None:
    await refused(desk, signed(trigger, place="test"), Code.VARIABLES_MISSING)


async def test_a_refused_request_can_be_repeated(desk: Desk, trigger: NewTrigger) -> None:
    await refused(desk, signed(trigger, place="test"), Code.VARIABLES_MISSING)
    assert not (await fire(desk, signed(trigger))).repeated


async def test_the_sixty_first_request_in_a_minute_is_refused(desk: Desk, trigger: NewTrigger) -> None:
    for n in range(60):
        await fire(desk, signed(trigger, f"msg_{n}"))
    assert "Try again in 1 s" in await refused(desk, signed(trigger, "msg_60"), Code.TRIGGER_RATE_LIMITED)


async def test_an_invalid_body_is_refused(desk: Desk, trigger: NewTrigger) -> None:
    body = "[]"
    signature = Webhook(trigger.secret).sign("msg_1", NOON, body)
    command = signed(trigger).model_copy(update={"body": body.encode(), "webhook_signature": signature})
    await refused(desk, command, Code.WEBHOOK_BODY_INVALID)


async def test_all_unauthentic_requests_are_refused_in_the_same_way(desk: Desk, trigger: NewTrigger) -> None:
    valid, other = signed(trigger), await create_trigger(desk, trigger.task_id)
    revoked = await create_trigger(desk, trigger.task_id)
    await desk.send(RevokeTrigger(task_id=revoked.task_id, trigger_id=revoked.id))
    deleted = await create_trigger(desk, (await desk.create()).id)
    await desk.send(DeleteTask(task_id=deleted.task_id))
    elsewhere = await create_trigger(desk, (await desk.create()).id)
    forged = [
        valid.model_copy(update={"webhook_signature": "v1,AAAA"}),
        valid.model_copy(update={"body": b'{"version": "2"}'}),
        valid.model_copy(update={"webhook_id": "msg_2"}),
        valid.model_copy(update={"task_id": new_id()}),
        valid.model_copy(update={"trigger_id": new_id()}),
        valid.model_copy(update={"task_id": elsewhere.task_id}),
        valid.model_copy(update={"trigger_id": trigger.task_id}),
        signed(trigger, secret=other.secret),
        signed(revoked),
        signed(deleted),
    ]
    details = {await refused(desk, command, Code.INVALID_SIGNATURE) for command in forged}
    desk.at(NOON + timedelta(minutes=5, seconds=1))
    details.add(await refused(desk, valid, Code.INVALID_SIGNATURE))
    desk.at(NOON - timedelta(minutes=5, seconds=1))
    details.add(await refused(desk, valid, Code.INVALID_SIGNATURE))
    assert len(details) == 1


async def test_the_id_of_an_execution_is_no_task_to_a_request(desk: Desk, trigger: NewTrigger) -> None:
    fired = await fire(desk, signed(trigger))
    command = signed(trigger).model_copy(update={"task_id": fired.execution.id})
    await refused(desk, command, Code.INVALID_SIGNATURE)


async def test_the_execution_of_a_request_is_found_like_any_other(desk: Desk, trigger: NewTrigger) -> None:
    fired = await fire(desk, signed(trigger))
    query = GetExecution(task_id=trigger.task_id, execution_id=fired.execution.id)
    assert await desk.ask(query) == fired.execution
