"""Tools for tasks."""

from contracts.task_scheduler.task import ListTasks

from gateway.mcp_server.call import Call
from gateway.mcp_server.pages import DEFAULT_LIMIT, Items, Limit
from gateway.mcp_server.tool import READS, Tools
from gateway.schemas.base import RequestBody
from gateway.schemas.task import TaskListed, TaskWindow

tools = Tools()


class TasksToList(TaskWindow, RequestBody):
    """Arguments of `list_tasks`."""

    limit: Limit = DEFAULT_LIMIT


@tools.add(READS)
async def list_tasks(arguments: TasksToList, call: Call) -> Items[TaskListed]:
    """List your tasks, newest first, without prompts, variables and options."""
    page = await call.caller.ask(ListTasks(**arguments.model_dump()))
    return Items[TaskListed].over(page, list(map(TaskListed.of, page.items)), arguments)
