"""The environment variables of tasks. Their values are secrets: no query on the bus returns them."""

from eventing.secrets.sealed_values import Secrets

VARIABLES = Secrets("task_environments", owner="task_id", values="variables")
