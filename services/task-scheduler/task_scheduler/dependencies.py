"""The dependencies of the task-scheduler service's handlers, queries and reactions."""

from dataclasses import dataclass
from typing import Protocol

from contracts.task_scheduler.values import Variables
from eventing.handling import QueryContext, UnitOfWork


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
    """What the service's handlers, queries and reactions use."""

    prompts: Prompts


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]
