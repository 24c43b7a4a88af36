"""The settings of the task-scheduler service."""

from eventing.service import SecretServiceSettings
from pydantic import PositiveInt


class Settings(SecretServiceSettings):
    """Settings, read from the environment.

    `event_executions_per_hour` limits the executions of a user that events start.
    """

    event_executions_per_hour: PositiveInt = 200
