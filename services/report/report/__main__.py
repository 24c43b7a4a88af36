"""The entry point `python -m report`."""

from runtime.process import run
from runtime.scratch import scratch_folder

from report.app import service
from report.settings import Settings

with scratch_folder(service.name):
    run(service.name, Settings, service.run)
