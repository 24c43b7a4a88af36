"""The task-scheduler service as a whole."""

from eventing.service import Service

from task_scheduler.aggregate import Execution, Task
from task_scheduler.constraints import constrains
from task_scheduler.dependencies import Dependencies, dependencies
from task_scheduler.due import DUE_KINDS
from task_scheduler.executions import VARIABLES
from task_scheduler.handlers import handles
from task_scheduler.projections import project
from task_scheduler.queries import answers
from task_scheduler.reactions import reactions
from task_scheduler.read_models import READ_MODELS
from task_scheduler.settings import Settings

service: Service[Settings, Dependencies] = Service(
    name="task_scheduler",
    aggregates=[Task, Execution],
    commands=handles,
    queries=answers,
    project=project,
    dependencies=dependencies,
    constraints=constrains,
    reactions=reactions,
    read_models=READ_MODELS,
    followers=["identity", "webhook"],
    due=DUE_KINDS,
    secrets=[VARIABLES],
)
