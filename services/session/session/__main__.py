"""`python -m session`: the session service."""

from runtime.process import run

from session.app import service
from session.scratch import scratch
from session.settings import Settings

with scratch():
    run(service.name, Settings, service.run)
