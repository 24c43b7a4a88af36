"""The entry point `python -m report`."""

from runtime.main import run_service

run_service("report")
