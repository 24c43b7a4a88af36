"""The aggregates of the task-scheduler service."""
