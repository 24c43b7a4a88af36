"""The due times of tasks and executions, which projections set and cancel."""

from contracts.task_scheduler.attempt import StartNextAttempt
from contracts.task_scheduler.execution import CheckExecution, ExpireExecution, TimeOutExecution
from contracts.task_scheduler.task import AdvanceSchedule
from eventing.due import DueKind

TICK = DueKind("tick", lambda due: AdvanceSchedule(task_id=due.id))
EXECUTION_TIMEOUT = DueKind("execution_timeout", lambda due: TimeOutExecution(execution_id=due.id))
EXECUTION_RETRY = DueKind("execution_retry", lambda due: StartNextAttempt(execution_id=due.id))
START_DEADLINE = DueKind("start_deadline", lambda due: ExpireExecution(execution_id=due.id))
EXECUTION_CHECK = DueKind("execution_check", lambda due: CheckExecution(execution_id=due.id))

OF_EXECUTIONS = (EXECUTION_TIMEOUT, EXECUTION_RETRY, START_DEADLINE, EXECUTION_CHECK)
DUE_KINDS = (TICK, *OF_EXECUTIONS)
