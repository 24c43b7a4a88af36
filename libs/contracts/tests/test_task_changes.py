"""Changes of the definition of a task."""

from typing import Any

import pytest
from contracts.task_scheduler.values import TaskChanges, TaskDefinition

UNSCHEDULED: dict[str, Any] = {}
SCHEDULED = {"is_scheduled": True, "schedule_cron": "@daily"}
KEPT = {"is_scheduled": False, "schedule_cron": "@daily"}


@pytest.mark.parametrize(
    ("before", "change", "is_scheduled"),
    [
        (UNSCHEDULED, {"schedule_cron": "@hourly"}, True),
        (UNSCHEDULED, {"schedule_cron": "@hourly", "is_scheduled": False}, False),
        (SCHEDULED, {"schedule_cron": "@hourly"}, True),
        (SCHEDULED, {"schedule_cron": None}, False),
        (SCHEDULED, {"schedule_timezone": "Europe/Berlin"}, True),
        (KEPT, {"schedule_cron": "@hourly"}, False),
        (KEPT, {"schedule_cron": "@hourly", "is_scheduled": True}, True),
        (KEPT, {"schedule_cron": None}, False),
    ],
)
def test_a_first_schedule_starts_and_a_cleared_one_ends(
    before: dict[str, Any], change: dict[str, Any], is_scheduled: bool
) -> None:
    changed = TaskChanges(**change).applied_to(TaskDefinition(name="one", prompt_template="Look.", **before))
    assert changed.is_scheduled == is_scheduled
    assert changed.schedule_cron == change.get("schedule_cron", before.get("schedule_cron"))
