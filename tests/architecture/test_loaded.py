"""What services load before they need it: each library costs memory in all of them, and time at each start."""

import subprocess
import sys

import pytest
from contracts.catalogue import SERVICES
from onebox.forking import LOADED_LATER

pytestmark = pytest.mark.usefixtures("servers")  # it loads the code of all services

SERVICES_OF_A_SYSTEM = ("gateway", *SERVICES)
NEEDED_LATER = frozenset(
    {
        *("claude_agent_sdk", "jsonschema", "mcp", "mcp_types"),  # by agents, and connections of MCP
        *("fontTools", "matplotlib", "weasyprint"),  # by processes of the report service
        "obstore",  # by reports in a bucket
        *("opentelemetry.exporter", "opentelemetry.sdk", "requests"),  # by traces that are exported
    }
)
PROGRAM = """
import sys
from onebox.forking import Preloading
preloading = Preloading(sys.argv[1:])
preloading.start()
preloading.finish()
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules that the services of a system have loaded when they start."""
    command = [sys.executable, "-P", "-c", PROGRAM, *SERVICES_OF_A_SYSTEM]
    return {*subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()}


def test_services_start_without_what_only_some_of_their_work_needs(loaded: set[str]) -> None:
    assert {f"{name}.app" for name in SERVICES_OF_A_SYSTEM} <= loaded
    assert not NEEDED_LATER & loaded


def test_modules_for_later_are_not_loaded_at_the_start(loaded: set[str]) -> None:
    assert not loaded.intersection(LOADED_LATER)
