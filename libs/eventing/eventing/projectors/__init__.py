"""Runs the projectors of a service: the read models that it keeps of other services' events."""

import asyncio
from collections.abc import Sequence

from runtime.bus.jetstream import JetStream
from runtime.forever import forever

from eventing.database import Database
from eventing.failures import Failures
from eventing.projectors.projector import Projector


class Projectors:
    """Runs the projectors in one replica. Of all replicas, one at a time does the work of each projector."""

    def __init__(self, projectors: Sequence[Projector], database: Database, js: JetStream) -> None:
        self.projectors, self.database, self.js = projectors, database, js
        self.failures = Failures()

    async def run(self) -> None:
        """Project until cancelled; an unfinished batch is rolled back, and projected by the next replica."""
        async with asyncio.TaskGroup() as tasks:
            for projector in self.projectors:
                name = f"projector {projector.name}"
                tasks.create_task(forever(name, lambda name=name, projector=projector: self._project(name, projector)))

    async def _project(self, name: str, projector: Projector) -> None:
        await self.failures.track(name, projector.run(self.database, self.js))

    async def check(self) -> None:
        """Check that all projectors make progress (a health check).

        Raises:
            NotReady: one is stopped, or fails repeatedly.
        """
        for projector in self.projectors:
            await projector.check()
        await self.failures.check()
