"""`python -m session`: the session service."""

from runtime.process import run

from session.app import service
from session.settings import Settings

run(service.name, Settings, service.run)
