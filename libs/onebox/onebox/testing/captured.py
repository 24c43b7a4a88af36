"""A plugin that searches what tests write and log for secrets: a test during which one appears fails."""

import traceback
from collections.abc import Generator, MutableMapping
from typing import Any, NoReturn

import pytest
import structlog

from onebox.testing.planted import revealed

_entries: list[str] = []
"""Entries that `structlog.testing.capture_logs` has kept from the output since the last phase of a test."""


class _SearchedCapture(structlog.testing.LogCapture):
    def __call__(self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> NoReturn:
        _entries.append(f"{event_dict} {traceback.format_exc() if event_dict.get('exc_info') else ''}")
        super().__call__(logger, method_name, event_dict)


def pytest_configure() -> None:
    """Let `capture_logs` hand over what it captures, and log plain text."""
    structlog.testing.LogCapture = _SearchedCapture
    # To render a traceback in colour, with all its variables, takes up to 0.1 seconds.
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Search the output and the logs of each phase of a test."""
    report = yield
    written = [text for name, text in report.sections if name.endswith(call.when)]
    found = [secret for text in (*written, *_entries) for secret in revealed(text)]
    _entries.clear()
    if found and report.passed:
        report.outcome = "failed"
        report.longrepr = "\n".join(["secrets in the output or the logs of this test:", *map(repr, found)])
    return report
