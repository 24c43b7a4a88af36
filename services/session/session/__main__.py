"""The entry point `python -m session`."""

from runtime.main import run_service

run_service("session")
