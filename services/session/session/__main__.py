"""The entry point `python -m session`."""

from runtime.process import run
from runtime.scratch import scratch_folder

from session.app import service
from session.settings import Settings

with scratch_folder(service.name):
    run(service.name, Settings, service.run)
