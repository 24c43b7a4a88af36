"""Run the identity service: `python -m identity`."""

from runtime.process import run

from identity.app import service
from identity.settings import Settings

run(service.name, Settings, service.run)
