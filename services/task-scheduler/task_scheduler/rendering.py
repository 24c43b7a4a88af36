"""The prompt of an execution."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from contracts.task_scheduler.values import TaskDefinition, Variables

from task_scheduler.dependencies import Prompts, Rendered


async def render_prompt(
    prompts: Prompts, definition: TaskDefinition, variables: Variables, scheduled_for: datetime | None
) -> Rendered:
    """Render the prompt of an execution.

    Raises:
        Refusal: VARIABLES_MISSING, TEMPLATE_INVALID, TEMPLATE_TOO_EXPENSIVE.
    """
    return await prompts.render(definition.prompt_template, prompt_variables(definition, variables, scheduled_for))


def prompt_variables(definition: TaskDefinition, variables: Variables, scheduled_for: datetime | None) -> Variables:
    """Return the variables of an execution, which replace the free ones of the same names.

    Only executions for a tick (`scheduled_for`) have free variables.
    """
    if scheduled_for is None:
        return variables
    return free_variables(definition.name, scheduled_for, definition.schedule_timezone) | variables


def free_variables(task_name: str, scheduled_for: datetime, timezone: str) -> Variables:
    """Return the free variables of an execution for a tick."""
    local = scheduled_for.astimezone(ZoneInfo(timezone))
    instant = scheduled_for.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"date": f"{local:%F}", "time": f"{local:%H:%M}", "scheduled_for": instant, "task_name": task_name}
