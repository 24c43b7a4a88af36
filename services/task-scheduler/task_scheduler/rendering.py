"""The prompts of executions."""

from datetime import datetime
from uuid import UUID

from contracts.task_scheduler.values import TaskDefinition, Variables

from task_scheduler.prompts.free_variables import free_variables
from task_scheduler.prompts.prompts import Prompts, Rendered


async def render_prompt(
    prompts: Prompts, definition: TaskDefinition, variables: Variables, scheduled_for: datetime | None, user_id: UUID
) -> Rendered:
    """Render the prompt of an execution for a user.

    Raises:
        Refusal: VARIABLES_MISSING, TEMPLATE_INVALID, TEMPLATE_TOO_EXPENSIVE.
        ChildUnavailable: too many templates are being rendered; try again later.
    """
    rendered = prompt_variables(definition, variables, scheduled_for)
    return await prompts.render(definition.prompt_template, rendered, user_id)


def prompt_variables(definition: TaskDefinition, variables: Variables, scheduled_for: datetime | None) -> Variables:
    """Return the variables of an execution, which replace the free ones of the same names.

    Only executions for a tick (`scheduled_for`) have free variables.
    """
    if scheduled_for is None:
        return variables
    return {**free_variables(definition.name, scheduled_for, definition.schedule_timezone), **variables}
