"""The entry point `python -m mcp_registry`."""

from runtime.loading import loading

with loading():
    from runtime.process import run
    from runtime.scratch import scratch_folder
    from runtime.usage import refuse_arguments

    from mcp_registry.app import service
    from mcp_registry.settings import Settings

refuse_arguments(service.name, Settings)
with scratch_folder(service.name):
    run(service.name, Settings, service.run)
