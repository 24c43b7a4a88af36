"""The entry point `python -m report`."""

from eventing.main import run_service

run_service("report")
