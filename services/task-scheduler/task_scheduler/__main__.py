"""The entry point `python -m task_scheduler`."""

from runtime.loading import loading

with loading():
    from runtime.process import run
    from runtime.usage import refuse_arguments

    from task_scheduler.app import service
    from task_scheduler.settings import Settings

refuse_arguments(service.name, Settings)
run(service.name, Settings, service.run)
