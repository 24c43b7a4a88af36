"""The read models that can be rebuilt from the events of this service."""

from eventing.rebuilding import ReadModel, ReadModels

TASKS = ReadModel("tasks", ("tasks", "task_counts", "triggers", "backfills", "event_starts"))
EXECUTIONS = ReadModel(
    "executions",
    ("executions", "execution_counts", "earlier_attempts"),
    kept={"executions": ("position",)},
    # A job removes the executions of a deleted task.
    removed={"executions": "NOT EXISTS (SELECT FROM task_scheduler.tasks WHERE id = new.task_id)"},
)

READ_MODELS = ReadModels((TASKS, EXECUTIONS), {"task_environments": "it contains secrets"})
