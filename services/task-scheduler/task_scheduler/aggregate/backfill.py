"""The decisions of a Task about its backfill."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from contracts.task_scheduler.backfill import BackfillAdvanced, BackfillEnded, BackfillEvent, BackfillStarted

from task_scheduler.aggregate.state import State


@dataclass
class Backfill:
    """The backfill in progress: the ticks that are left, and the one whose execution is active."""

    id: UUID
    ticks: list[datetime]
    active: datetime | None = None

    def execution_id(self, tick: datetime) -> UUID:
        """Return the id of the execution for a tick."""
        return uuid5(self.id, tick.isoformat())


class Backfilling(State):
    """The backfill of a task. Its executions run one after the other, beside those that the overlap policy counts."""

    backfill: Backfill | None

    @property
    def backfill_execution(self) -> UUID | None:
        """The active execution of the backfill, if there is one."""
        backfill = self.backfill
        return backfill.execution_id(backfill.active) if backfill and backfill.active else None

    def advance_backfill(self) -> tuple[Backfill, datetime] | None:
        """Continue the backfill after an execution has ended, and return the tick whose execution is to be started.

        Return None if the backfill has ended.
        """
        if not self.backfill:
            return None
        if not self.backfill.ticks:
            self.record(BackfillEnded(backfill_id=self.backfill.id, status="completed"))
            return None
        tick = self.backfill.ticks[0]
        self.record(BackfillAdvanced(backfill_id=self.backfill.id, tick=tick))
        return self.backfill, tick

    def apply_backfill(self, event: BackfillEvent) -> None:
        """Fold one event of a backfill."""
        match event:
            case BackfillStarted():
                self.backfill = Backfill(event.backfill_id, event.ticks)
            case BackfillAdvanced():
                if self.backfill:
                    left = [tick for tick in self.backfill.ticks if tick > event.tick]
                    self.backfill = Backfill(event.backfill_id, left, event.tick)
            case BackfillEnded():
                self.backfill = None
            case _:
                assert_never(event)
