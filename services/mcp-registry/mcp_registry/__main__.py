"""The entry point `python -m mcp_registry`."""

from runtime.main import run_service

run_service("mcp_registry")
