"""The dependencies of the task-scheduler service's handlers, queries and reactions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from contracts.task_scheduler.values import Variables
from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from runtime.bus import Client

from task_scheduler.executions import Executions
from task_scheduler.settings import Settings


class Rendered(Protocol):
    """A rendered prompt."""

    @property
    def text(self) -> str:
        """The prompt."""
        ...


class Prompts(Protocol):
    """Renders prompt templates."""

    async def render(self, template: str, variables: Variables) -> Rendered:
        """Return the prompt. Raises Refusal: VARIABLES_MISSING, TEMPLATE_INVALID, TEMPLATE_TOO_EXPENSIVE."""
        ...

    async def check(self, template: str) -> list[str]:
        """Return the names of its variables. Raises Refusal: TEMPLATE_INVALID, TEMPLATE_TOO_EXPENSIVE."""
        ...


@dataclass(frozen=True)
class Dependencies:
    """What the service's handlers, queries and reactions use; `prompts` renders the templates of users."""

    prompts: Prompts
    executions: Executions


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]


@asynccontextmanager
async def dependencies(_settings: Settings, database: Database, _client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies; on exit, end the processes that render prompts."""
    raise NotImplementedError
    yield Dependencies(None, Executions(database))
