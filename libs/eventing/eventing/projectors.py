"""The projectors of a service: which read models it keeps of other services' events, and whether they get on."""

import asyncio
from collections.abc import Sequence

from runtime.forever import forever
from runtime.jetstream import JetStream

from eventing.database import Database
from eventing.failures import Failures
from eventing.projector import Projector


class Projectors:
    """Runs the projectors of one replica; of all replicas, one at a time does the work of each."""

    def __init__(self, projectors: Sequence[Projector], database: Database, js: JetStream) -> None:
        self.projectors, self.database, self.js = projectors, database, js
        self.failures = Failures()

    async def run(self) -> None:
        """Project until cancelled; what is half done then is rolled back, and done by the next to run."""
        async with asyncio.TaskGroup() as tasks:
            for projector in self.projectors:
                name = f"projector {projector.name}"
                tasks.create_task(forever(name, lambda name=name, one=projector: self._project(name, one)))

    async def _project(self, name: str, projector: Projector) -> None:
        await self.failures.noted(name, projector.run(self.database, self.js))

    async def check(self) -> None:
        """Raise when one of them does not get on (a health check).

        Raises:
            NotReady: it stands still, or fails again and again.
        """
        for projector in self.projectors:
            await projector.check()
        await self.failures.check()
