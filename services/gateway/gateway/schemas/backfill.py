"""Models of backfills."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from contracts.task_scheduler.backfill import BackfillView, StartBackfill
from pydantic import ConfigDict, Field, StrictBool

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel
from gateway.schemas.lists import ListPage
from gateway.schemas.times import Time


class NewBackfill(RequestBody):
    """A period whose ticks are executed."""

    described_by = BackfillView

    sample = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z", "rerun": False}

    from_at: Annotated[Time, Field(alias="from")]
    to_at: Annotated[Time, Field(alias="to")]
    rerun: Annotated[StrictBool, Field(description="Whether ticks are executed again that were completed.")] = False

    def command(self, task_id: UUID) -> StartBackfill:
        """Return the command."""
        return StartBackfill(
            task_id=task_id, backfill_id=ids.new_id(), from_at=self.from_at, to_at=self.to_at, rerun=self.rerun
        )


class Backfill(BackfillView, ResponseModel):
    """A backfill, and how many of its executions have ended."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_at: Annotated[datetime, Field(alias="from")]
    to_at: Annotated[datetime, Field(alias="to")]


class BackfillPage(ListPage[Backfill]):
    """Backfills, newest first."""
