"""The entry point `python -m task_scheduler`."""

from eventing.main import run_service

run_service("task_scheduler")
