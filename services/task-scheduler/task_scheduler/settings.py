"""The settings of the task-scheduler service."""

from eventing.service import SecretServiceSettings


class Settings(SecretServiceSettings):
    """Settings, read from the environment."""
