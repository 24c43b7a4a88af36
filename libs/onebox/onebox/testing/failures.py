"""A plugin that adds what the services of whole systems complained about to the report of a test that failed.

The logs themselves are removed with the system.
"""

from collections.abc import Generator

import pytest

from onebox.errors import complaints
from onebox.testing.system import System

LINES = 5
"""Of each service, at most: CI shows only the end of a long output."""


def logged() -> str:
    """Return the last warnings and errors of the services of all systems of this process."""
    logs = [log for system in System.opened for log in sorted((system.data_dir / "logs").glob("*.log"))]
    return "\n".join(f"{log.stem}: {line}" for log in logs for line in complaints(log, LINES))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a test that uses a whole system and failed."""
    report = yield
    names: list[str] = getattr(item, "fixturenames", [])
    if report.failed and any(name.endswith("system") for name in names):
        report.sections.append(("Warnings and errors of services", logged()))
    return report
