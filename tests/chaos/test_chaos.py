"""The short form of `make chaos`."""

import subprocess
import sys

LONGEST = 170
"""Seconds; most of them pass in waiting for what was harmed."""


def test_what_has_to_hold_holds_after_faults_of_every_kind() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed", "2", "--faults", "8", "--seconds", "30"]
    harmed = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert harmed.returncode == 0, f"{harmed.stdout}\n{harmed.stderr}"
