"""The settings of the task-scheduler service."""

from eventing.service import ServiceSettings


class Settings(ServiceSettings):
    """Settings, read from the environment."""
