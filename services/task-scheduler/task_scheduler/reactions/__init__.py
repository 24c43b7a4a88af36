"""The reactions of the task-scheduler service, one module per subject."""

from eventing.reactions import Reactions

from task_scheduler.reactions import event, execution, run, task

reactions = Reactions.merge(event.reactions, execution.reactions, run.reactions, task.reactions)
