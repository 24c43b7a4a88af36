"""The decisions of a task about its triggers."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from contracts.refusals import Code
from contracts.samples import TASK, TRIGGER
from contracts.task_scheduler.task import TaskCreated, TaskPaused
from contracts.task_scheduler.trigger import (
    TriggerCreated,
    TriggerFired,
    TriggerRevoked,
    TriggerRotated,
    TriggerSecret,
    TriggerSecretsSet,
)
from contracts.task_scheduler.values import MAX_TRIGGERS
from eventing.store.state import codec_of
from eventing.testing import Given, refused, replayed
from task_scheduler.aggregate import Task

ID, OTHER = UUID(TRIGGER), uuid5(UUID(TRIGGER), "other")
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
CREATED = TaskCreated.example()
TRIGGERED = (
    CREATED,
    TriggerCreated(trigger_id=ID, name="one"),
    TriggerSecretsSet(secrets={ID: TriggerSecret(secret="first")}),
)


@pytest.fixture
def task() -> Task:
    """A task with a trigger whose secret is `first`."""
    return Given(Task(UUID(TASK)), *TRIGGERED).aggregate


def fire(task: Task, times: int = 1, now: datetime = NOW) -> None:
    for n in range(times):
        task.fire_trigger(ID, f"msg_{n}", now)


def test_creating_records_the_secret_in_an_event_of_its_own() -> None:
    given = Given(Task(UUID(TASK)), CREATED)
    given.when(lambda task: task.create_trigger(ID, "one", "first")).then(*TRIGGERED[1:])


def test_a_task_has_a_limited_number_of_triggers(task: Task) -> None:
    for n in range(MAX_TRIGGERS - 1):
        task.create_trigger(uuid5(ID, str(n)), "", "plantedsecret")
    refused(Code.TOO_MANY_TRIGGERS, lambda: task.create_trigger(OTHER, "", "plantedsecret"))
    task.revoke_trigger(ID)
    task.create_trigger(OTHER, "", "plantedsecret")


def test_rotating_keeps_the_previous_secret_for_a_day() -> None:
    rotated = TriggerSecret(secret="second", previous="first", previous_until=NOW + DAY)
    Given(Task(UUID(TASK)), *TRIGGERED).when(lambda task: task.rotate_trigger(ID, "second", NOW)).then(
        TriggerRotated(trigger_id=ID), TriggerSecretsSet(secrets={ID: rotated})
    )


def test_both_secrets_are_valid_until_a_day_after_the_rotation(task: Task) -> None:
    task.rotate_trigger(ID, "second", NOW)
    assert task.valid_secrets(ID, NOW + DAY - SECOND) == ("second", "first")
    assert task.valid_secrets(ID, NOW + DAY) == ("second", None)


def test_a_second_rotation_ends_the_first_secret(task: Task) -> None:
    task.rotate_trigger(ID, "second", NOW)
    task.rotate_trigger(ID, "third", NOW)
    assert task.valid_secrets(ID, NOW) == ("third", "second")


def test_revoking_deletes_the_secrets_of_that_trigger_only(task: Task) -> None:
    task.create_trigger(OTHER, "", "kept")
    task.pending.clear()
    kept = TriggerSecretsSet(secrets={OTHER: TriggerSecret(secret="kept")})
    task.revoke_trigger(ID)
    assert task.pending == [TriggerRevoked(trigger_id=ID), kept]


def test_a_trigger_that_does_not_exist_has_no_secrets(task: Task) -> None:
    assert task.valid_secrets(OTHER, NOW) == (None, None)


def test_a_trigger_of_another_task_cannot_be_rotated_or_revoked(task: Task) -> None:
    refused(Code.TRIGGER_NOT_FOUND, lambda: task.rotate_trigger(OTHER, "second", NOW))
    refused(Code.TRIGGER_NOT_FOUND, lambda: task.revoke_trigger(OTHER))


def test_firing_is_recorded_with_its_time() -> None:
    fired = TriggerFired(trigger_id=ID, webhook_id="msg_0", at=NOW)
    Given(Task(UUID(TASK)), *TRIGGERED).when(fire).then(fired)


@pytest.mark.parametrize("reason", ["requested", "failure"])
def test_a_paused_task_cannot_be_fired(reason: str) -> None:
    paused = TaskPaused.model_validate({"reason": reason})
    Given(Task(UUID(TASK)), *TRIGGERED, paused).when(fire).refused(Code.TASK_PAUSED)


def test_a_trigger_that_was_revoked_since_the_verification_cannot_be_fired() -> None:
    revoked = TriggerRevoked(trigger_id=ID)
    Given(Task(UUID(TASK)), *TRIGGERED, revoked).when(fire).refused(Code.TRIGGER_NOT_FOUND)


def test_a_trigger_can_be_fired_sixty_times_at_once(task: Task) -> None:
    fire(task, 60)
    detail = refused(Code.TRIGGER_RATE_LIMITED, lambda: fire(task))
    assert "Try again in 1 s." in detail


def test_a_trigger_can_be_fired_once_a_second_after_a_burst(task: Task) -> None:
    fire(task, 60)
    for second in range(1, 5):
        fire(task, now=NOW + second * SECOND)
        refused(Code.TRIGGER_RATE_LIMITED, lambda at=NOW + second * SECOND: fire(task, now=at))


def test_the_burst_is_possible_again_after_a_minute(task: Task) -> None:
    fire(task, 60)
    fire(task, 60, NOW + timedelta(minutes=1))


def test_a_quiet_day_does_not_allow_more_than_a_burst(task: Task) -> None:
    fire(task)
    fire(task, 60, NOW + DAY)
    refused(Code.TRIGGER_RATE_LIMITED, lambda: fire(task, now=NOW + DAY))


def test_triggers_have_rates_of_their_own(task: Task) -> None:
    task.create_trigger(OTHER, "", "plantedsecret")
    fire(task, 60)
    task.fire_trigger(OTHER, "msg", NOW)


def test_a_clock_that_was_set_back_does_not_block_a_trigger(task: Task) -> None:
    fire(task, 60)
    fire(task, 60, NOW - DAY)
    refused(Code.TRIGGER_RATE_LIMITED, lambda: fire(task, now=NOW - DAY))


def test_a_snapshot_contains_no_secret(task: Task) -> None:
    task.create_trigger(OTHER, "", "hidden")
    assert b"hidden" in codec_of(Task).dump(task)
    assert b"hidden" not in codec_of(Task).dump(task, secrets=False)


def test_the_events_restore_the_triggers() -> None:
    task = Task(UUID(TASK))
    task.record(CREATED)
    task.create_trigger(ID, "one", "first")
    fire(task, 3)
    task.rotate_trigger(ID, "second", NOW)
    copy = replayed(task)
    assert (copy.triggers, copy.trigger_secrets) == (task.triggers, task.trigger_secrets)


@pytest.mark.parametrize(
    "secret", [TriggerSecret(secret="plantedsecret", previous="plantedsecret", previous_until=NOW)]
)
def test_no_text_of_an_event_shows_a_secret(secret: TriggerSecret) -> None:
    assert "plantedsecret" not in repr(TriggerSecretsSet(secrets={ID: secret}))
    assert "plantedsecret" not in repr(secret)
