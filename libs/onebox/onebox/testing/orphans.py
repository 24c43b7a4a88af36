"""No process outlives the tests that started it, however these end: also if they are killed."""

import signal
import subprocess
from functools import wraps
from typing import Any

import pytest

from onebox.children import end_with_parent, signal_on_parent_death

_start = subprocess.Popen.__init__


class FollowingTests:
    """A `preexec_fn`: the kernel ends the program with the process that starts it."""

    def __init__(self) -> None:
        self._set_signal = signal_on_parent_death(signal.SIGKILL)

    def __call__(self) -> None:
        """Prepare the program."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # inherited as ignored if the tests run under nohup
        self._set_signal()


@wraps(_start)
def _start_following(process: "subprocess.Popen[Any]", *arguments: Any, **options: Any) -> None:
    if options.get("preexec_fn") is None:
        options["preexec_fn"] = FollowingTests()
    _start(process, *arguments, **options)


def pytest_configure(config: pytest.Config) -> None:
    """Have the kernel end the workers of this run, and all programs that tests start, with the process above them."""
    if hasattr(config, "workerinput"):
        end_with_parent(signal.SIGKILL)
    patch = pytest.MonkeyPatch()
    patch.setattr(subprocess.Popen, "__init__", _start_following)
    config.add_cleanup(patch.undo)
