"""The entry point `python -m session`."""

from runtime.loading import loading

with loading():
    from runtime.process import run
    from runtime.scratch import scratch_folder
    from runtime.usage import refuse_arguments

    from session.app import service
    from session.settings import Settings

refuse_arguments(service.name, Settings)
with scratch_folder(service.name):
    run(service.name, Settings, service.run)
