"""The launcher of `make run` sets every setting of a service, or passes it on."""

import importlib
from pathlib import Path

import pytest
from contracts.catalogue import SERVICES
from onebox import services
from onebox.children import SERVICE_SETTINGS
from pydantic import BaseModel

LAUNCHER = Path(services.__file__).read_text()
INTERNAL = {"OPS_HOST", "SECRETS_KEYS", "DRAIN_DELAY_SECONDS"}
"""What is right for a process on this machine as it is; its secrets have SECRETS_KEY_FILE, and nothing replaces it."""


def untold(settings: type[BaseModel]) -> list[str]:
    names = {name.upper() for name in settings.model_fields} - {*SERVICE_SETTINGS} - INTERNAL
    names = {name for name in names if not name.startswith("OTEL_")}  # passed on by their prefix
    return sorted(name for name in names if f'"{name}"' not in LAUNCHER)


@pytest.mark.parametrize("service", [*SERVICES, "gateway", "simulator"])
def test_make_run_passes_every_setting_of_a_service_on(service: str) -> None:
    assert untold(importlib.import_module(f"{service}.settings").Settings) == []


def test_a_setting_that_make_run_drops_is_reported() -> None:
    class Settings(BaseModel):
        warm_agents: int
        shelf_size: int

    assert untold(Settings) == ["SHELF_SIZE"]
