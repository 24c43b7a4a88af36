"""Checks of a task's definition, and the prompts of its executions.

Checks may take seconds, so they precede the loading of the task that is changed: it would hold the lock of the task,
for which the command of a tick waits, and with it the ticks of other tasks.
"""

from datetime import datetime
from uuid import UUID

from contracts.task_scheduler.values import TaskDefinition, Variables

from task_scheduler.dependencies import Work
from task_scheduler.events import check_event_names
from task_scheduler.prompts.free_variables import free_variables
from task_scheduler.prompts.prompts import Prompts, Rendered


async def check_definition(definition: TaskDefinition, work: Work) -> None:
    """Check what the aggregate cannot check of a definition. Options of sessions are checked by the session service.

    Raises:
        Refusal: INVALID_EVENT_NAME, TEMPLATE_INVALID, TEMPLATE_TOO_EXPENSIVE.
    """
    check_event_names(definition.on)
    await work.dependencies.prompts.check(definition.prompt_template, work.actor.user_id)


async def check_prompt(
    definition: TaskDefinition, variables: Variables, scheduled_for: datetime | None, work: Work
) -> None:
    """Check that the prompt of an execution can be rendered.

    Raises:
        Refusal: VARIABLES_MISSING, TEMPLATE_INVALID, TEMPLATE_TOO_EXPENSIVE.
    """
    await render_prompt(work.dependencies.prompts, definition, variables, scheduled_for, work.actor.user_id)


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
