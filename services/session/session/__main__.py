"""The entry point `python -m session`."""

from eventing.main import run_service

run_service("session")
