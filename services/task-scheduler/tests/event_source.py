"""Publishes events to the reaction that starts tasks, with an identity service that the test scripts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.identity.queries import GetActor
from contracts.messages import Actor, Event
from contracts.samples import SESSION
from contracts.task_scheduler.execution import ExecutionCreated, ListExecutions
from contracts.task_scheduler.task import TaskView
from eventing.actors import Actors
from eventing.recording import Recorded
from eventing.testing.reacting import reaction_to
from runtime.envelope import Envelope
from task_scheduler.app import service
from task_scheduler.reactions.event import start_tasks

from .desk import OWNER, Desk

SESSION_ID = UUID(SESSION)


class EventSource:
    """Delivers events of `OWNER`. `identity` has the present actors of users, or what is raised for them."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.identity = desk, dict[UUID, Actor | Exception]()

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
        """Deliver an event of the session or execution `id`."""
        await self.deliver(Recorded(id, version, at or self.desk.now, event, Envelope.begin(actor=actor), owner))

    async def deliver(self, recorded: Recorded[Event]) -> None:
        """Run the reaction for an event."""
        reaction: Any = reaction_to(recorded, self.desk.dependencies, self.desk.dispatcher, service.name)
        reaction.router.actors = Actors(self._ask)
        await start_tasks(recorded, reaction)

    async def created(self, task: TaskView) -> list[ExecutionCreated]:
        """Return the creations of a task's executions, newest first."""
        page = await self.desk.ask(ListExecutions(task_id=task.id))
        found = [await self.desk.dispatcher.store.latest(ExecutionCreated, item.id) for item in page.items]
        return [recorded.event for recorded in found if recorded]

    async def _ask(self, query: GetActor, _envelope: Envelope) -> Actor:
        found = self.identity.get(query.user_id, Actor(user_id=query.user_id, role="user"))
        if isinstance(found, Exception):
            raise found
        return found
