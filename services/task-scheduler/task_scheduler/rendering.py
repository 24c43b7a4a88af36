"""The prompt of an execution."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from contracts.task_scheduler.values import TaskDefinition, Variables

from task_scheduler.dependencies import Prompts, Rendered


async def render_prompt(
    prompts: Prompts, definition: TaskDefinition, variables: Variables, scheduled_for: datetime | None
) -> Rendered:
    """Render the prompt of an execution with its variables, which replace the free ones of the same names.

    Only executions for a tick (`scheduled_for`) have free variables.

    Raises:
        Refusal: VARIABLES_MISSING, TEMPLATE_INVALID, TEMPLATE_TOO_EXPENSIVE.
    """
    free: Variables = {}
    if scheduled_for:
        free = _free_variables(definition.name, scheduled_for, definition.schedule_timezone)
    return await prompts.render(definition.prompt_template, free | variables)


def _free_variables(task_name: str, scheduled_for: datetime, timezone: str) -> Variables:
    local = scheduled_for.astimezone(ZoneInfo(timezone))
    instant = scheduled_for.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"date": f"{local:%F}", "time": f"{local:%H:%M}", "scheduled_for": instant, "task_name": task_name}
