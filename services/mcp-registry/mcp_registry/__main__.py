"""The entry point `python -m mcp_registry`."""

from runtime.process import run

from mcp_registry.app import service
from mcp_registry.settings import Settings

run(service.name, Settings, service.run)
