"""The entry point `python -m mcp_registry`."""

from runtime.process import run
from runtime.scratch import scratch_folder

from mcp_registry.app import service
from mcp_registry.settings import Settings

with scratch_folder(service.name):
    run(service.name, Settings, service.run)
