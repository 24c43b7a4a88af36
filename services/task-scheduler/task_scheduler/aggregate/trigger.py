"""The decisions of a Task about its triggers."""

from typing import assert_never

from contracts.task_scheduler.trigger import (
    TriggerCreated,
    TriggerEvent,
    TriggerFired,
    TriggerRevoked,
    TriggerRotated,
    TriggerSecretsSet,
)

from task_scheduler.aggregate.state import State


class Triggering(State):
    """The triggers of a task."""

    def apply_trigger(self, event: TriggerEvent) -> None:
        """Fold one event of a trigger."""
        match event:
            case TriggerCreated() | TriggerRotated() | TriggerFired() | TriggerRevoked() | TriggerSecretsSet():
                pass
            case _:
                assert_never(event)
