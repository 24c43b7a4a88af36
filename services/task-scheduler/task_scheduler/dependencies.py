"""The dependencies of the task-scheduler service's handlers, queries and reactions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from runtime.bus import Client

from task_scheduler.executions import Executions
from task_scheduler.prompts.prompts import Prompts
from task_scheduler.settings import Settings


@dataclass(frozen=True)
class Dependencies:
    """Dependencies of the service's handlers, queries and reactions; `prompts` renders the templates of users."""

    prompts: Prompts
    executions: Executions
    database: Database
    event_executions_per_hour: int


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, _client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies; on exit, end the processes that render prompts."""
    async with Prompts.open() as prompts:
        yield Dependencies(prompts, Executions(database), database, settings.event_executions_per_hour)
