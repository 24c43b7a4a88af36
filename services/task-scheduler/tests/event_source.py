"""Delivers events of any owner and time to the reactions of the service."""

from datetime import datetime
from uuid import UUID

from contracts.messages import Actor, Event
from contracts.samples import SESSION
from contracts.task_scheduler.execution import ExecutionCreated, ListExecutions
from contracts.task_scheduler.task_view import TaskView
from eventing.recording import Recorded
from runtime.bus.envelope import Envelope

from .desk import OWNER
from .outside import Reacting

SESSION_ID = UUID(SESSION)


class EventSource(Reacting):
    """Delivers events, by default of a session of `OWNER`."""

    async def publish(
        self,
        event: Event,
        id: UUID = SESSION_ID,
        *,
        owner: UUID = OWNER.user_id,
        at: datetime | None = None,
        version: int = 3,
        actor: Actor | None = None,
    ) -> None:
        """Deliver the event of a session with a version."""
        envelope = Envelope.begin(actor=actor)
        await self._react(Recorded(id, version, at or self.desk.now, event, envelope, owner))

    async def created(self, task: TaskView) -> list[ExecutionCreated]:
        """Return the creations of a task's executions, newest first."""
        page = await self.desk.ask(ListExecutions(task_id=task.id))
        found = [await self.desk.dispatcher.store.latest(ExecutionCreated, item.id) for item in page.items]
        return [recorded.event for recorded in found if recorded]
