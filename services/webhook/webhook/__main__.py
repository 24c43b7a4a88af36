"""The entry point `python -m webhook`."""

from eventing.main import run_service

run_service("webhook")
