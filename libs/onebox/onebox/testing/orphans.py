"""No process outlives the tests that started it, however these end: also if they are killed."""

import signal
import subprocess
from functools import wraps
from typing import Any

import pytest

from onebox.children import end_with_parent, signal_on_parent_death

_start = subprocess.Popen.__init__


@wraps(_start)
def _start_following(process: "subprocess.Popen[Any]", *arguments: Any, **options: Any) -> None:
    if options.get("preexec_fn") is None:
        options["preexec_fn"] = signal_on_parent_death(signal.SIGKILL)
    _start(process, *arguments, **options)


def pytest_configure(config: pytest.Config) -> None:
    """Have the kernel end the workers of this run, and all programs that tests start, with the process above them."""
    if hasattr(config, "workerinput"):
        end_with_parent(signal.SIGKILL)
    patch = pytest.MonkeyPatch()
    patch.setattr(subprocess.Popen, "__init__", _start_following)
    config.add_cleanup(patch.undo)
