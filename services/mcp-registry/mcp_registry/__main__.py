"""The entry point `python -m mcp_registry`."""

from eventing.main import run_service

run_service("mcp_registry")
