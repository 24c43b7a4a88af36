"""`python small_service.py shelf|jar`: a service that a test can kill. With `HANGS=true`, jars never reply."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from eventing import reactions
from eventing.database import Database
from eventing.handling import Handlers, UnitOfWork
from eventing.service import Service, ServiceSettings
from eventing.testing import jars
from eventing.testing.messages import AddMarble
from eventing.testing.shelf import ShelfSettings, shelf
from runtime.bus import Client
from runtime.process import run


class JarSettings(ServiceSettings):
    hangs: bool = False


@asynccontextmanager
async def dependencies(settings: JarSettings, _: Database, __: Client) -> AsyncGenerator[bool]:
    yield settings.hangs


async def add_marble(command: AddMarble, work: UnitOfWork[bool]) -> int:
    """Add the marble, then reply or hang."""
    marbles = await jars.add_marble(command, work)
    if work.dependencies:
        await asyncio.Event().wait()
    return marbles


def commands() -> Handlers:
    handles = Handlers()
    for handler in (jars.open_jar, add_marble):
        handles(handler)
    return handles


def jar() -> Service[JarSettings, bool]:
    return Service(
        name="jar",
        aggregates=[jars.Jar],
        commands=commands(),
        queries=jars.answers,
        project=jars.project,
        package="eventing.testing",
        dependencies=dependencies,
        unique_violations=jars.UNIQUE_VIOLATIONS,
    )


if __name__ == "__main__":
    reactions.ACK_WAIT, reactions.HEARTBEAT = 2.0, 0.5  # a killed service is replaced sooner
    if sys.argv[1] == "jar":
        run("jar", JarSettings, jar().run)
    else:
        run("shelf", ShelfSettings, shelf().run)
