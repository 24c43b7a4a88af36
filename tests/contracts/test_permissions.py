"""The guide says what each service sends to others and reads of them, as the permissions on the bus are."""

import subprocess
import sys

import pytest
from contracts.catalogue import SERVICES
from contracts.subscriptions import PROJECTED, REACTIONS
from runtime.bus.permissions import permissions_of

from tests.architecture import house

GUIDE = house.ROOT / "docs" / "guides" / "settings.md"


def row(service: str) -> str:
    """Return the row of the guide's table about a service."""
    publish = permissions_of(service).publish
    sent = [subject for subject in publish if subject.startswith(("cmd.", "qry."))]
    read = sorted({*PROJECTED.get(service, ()), *REACTIONS.get(service, ())})
    return f"| `{service}` | {_listed(sent)} | {_listed(read) or 'none'} |"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


@pytest.mark.parametrize("service", SERVICES)
def test_the_guide_lists_what_a_service_sends_and_reads(service: str) -> None:
    assert row(service) in GUIDE.read_text().splitlines()


def test_help_prints_no_passwords() -> None:
    command = [sys.executable, "-P", "-m", "runtime.bus.permissions", "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "usage: python -m runtime.bus.permissions" in ran.stdout
    assert "password: " not in ran.stdout
