"""The entry point `python -m task_scheduler`."""

from runtime.process import run

from task_scheduler.app import service
from task_scheduler.settings import Settings

run(service.name, Settings, service.run)
