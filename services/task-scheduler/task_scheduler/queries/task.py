"""Handlers of queries about tasks as a whole, and their schedules."""

from datetime import UTC, datetime
from uuid import UUID

from contracts.messages import Page
from contracts.task_scheduler.task import FindTasks, GetTask, ListNextRuns, ListTasks, RenderPrompt
from contracts.task_scheduler.task_view import NextRuns, RenderedPrompt, TaskSummary, TaskView
from contracts.task_scheduler.values import TaskDefinition
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing
from runtime import clock

from task_scheduler.definition import prompt_variables
from task_scheduler.dependencies import Context
from task_scheduler.queries.tables import LISTED_TASKS, TASKS, visible
from task_scheduler.schedule import Schedule

SUMMARY = ", ".join(f'"{name}"' for name in TaskSummary.model_fields)  # `on` is a keyword
LISTING = Listing(LISTED_TASKS, SUMMARY, TaskSummary.model_validate, counters="task_counts")
SEARCH = Listing(LISTED_TASKS, SUMMARY, TaskSummary.model_validate)
FOREVER = datetime(9900, 1, 1, tzinfo=UTC)

answers = Handlers()


@answers
async def get_task(query: GetTask, context: Context) -> TaskView:
    """Return a task."""
    row = await LISTED_TASKS.fetch(f"{SUMMARY}, definition", query.task_id, context)
    definition = TaskDefinition.model_validate(row.pop("definition"))  # with the defaults of newer fields
    return TaskView.model_validate(dict(definition) | row)


@answers
async def list_tasks(query: ListTasks, context: Context) -> Page[TaskSummary]:
    """Return the actor's tasks (for an admin, all tasks), newest first."""
    filters = Filters(is_active=query.is_active, is_scheduled=query.is_scheduled)
    filters.add("strpos(lower(name), lower({})) > 0", query.q)
    return await (LISTING if query.q is None else SEARCH).page(query, context, filters)


@answers
async def find_tasks(query: FindTasks, context: Context) -> list[UUID]:
    """Return the ids that belong to tasks which the actor may see."""
    return await TASKS.existing(query.task_ids, context)


@answers
async def list_next_runs(query: ListNextRuns, context: Context) -> NextRuns:
    """Return the next ticks of a task's schedule, from the stored one; none if it is paused or not scheduled."""
    row = await visible(query.task_id, context)
    definition = TaskDefinition.model_validate(row["definition"])
    cron, timezone, first = definition.schedule_cron, definition.schedule_timezone, row["next_run_at"]
    items = list[datetime]()
    if first and cron:
        items = [first, *Schedule(cron, timezone).ticks(first, FOREVER, query.count - 1)]
    return NextRuns(schedule_cron=cron, schedule_timezone=timezone, items=items)


@answers
async def render_prompt(query: RenderPrompt, context: Context) -> RenderedPrompt:
    """Return the prompt of a task as an execution for a tick at this moment would have it."""
    definition = TaskDefinition.model_validate((await visible(query.task_id, context))["definition"])
    variables = prompt_variables(definition, definition.variables | query.variables, clock.now())
    prompts, user_id = context.dependencies.prompts, context.actor.user_id
    rendered = await prompts.render(definition.prompt_template, variables, user_id)
    return RenderedPrompt(prompt=rendered.text, variables=variables)
