"""The decisions of a Task about its backfill."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from contracts.refusals import Code, Refusal
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

    def check_no_backfill(self) -> None:
        """Check that no backfill is in progress.

        Raises:
            Refusal: BACKFILL_RUNNING.
        """
        if self.backfill:
            raise Refusal(Code.BACKFILL_RUNNING, f"Backfill {self.backfill.id} is running. Wait for it, or cancel it.")

    def start_backfill(self, backfill_id: UUID, from_at: datetime, to_at: datetime, ticks: list[datetime]) -> None:
        """Start a backfill of these ticks; `advance_backfill` returns the first one.

        Raises:
            Refusal: BACKFILL_RUNNING, NOTHING_TO_BACKFILL.
        """
        self.check_no_backfill()
        if not ticks:
            detail = "There is nothing to execute: the schedule has no tick in this period, or all were completed."
            raise Refusal(Code.NOTHING_TO_BACKFILL, detail)
        self.record(BackfillStarted(backfill_id=backfill_id, from_at=from_at, to_at=to_at, ticks=ticks))

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

    def cancel_backfill(self, backfill_id: UUID) -> list[UUID]:
        """Cancel the backfill, and return its active execution, which has to be cancelled.

        Raises:
            Refusal: BACKFILL_OVER.
        """
        if self.backfill is None or self.backfill.id != backfill_id:
            raise Refusal(Code.BACKFILL_OVER, f"Backfill {backfill_id} is over.")
        active = self.backfill_execution
        self.record(BackfillEnded(backfill_id=backfill_id, status="cancelled"))
        return [active] if active else []

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
