"""Runs of pytest in a folder, with the plugins that a test names."""

import subprocess
import sys
from pathlib import Path

from onebox.children import allowed_environment
from onebox.testing.unrooted import CLUSTER, cluster


def pytest_command(*options: str) -> list[str]:
    """Return the command of a run of the tests in its folder."""
    return [sys.executable, "-m", "pytest", *options, "--rootdir", ".", "."]


def pytest_environment(*, servers: bool = False) -> dict[str, str]:
    """Return the variables of a run; if it starts servers, they use the cluster of this run."""
    clusters = {CLUSTER: str(cluster())} if servers else {}
    # Other plugins take seconds to load.
    return allowed_environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | clusters


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in a folder."""
    return subprocess.run(  # noqa: S603  no shell
        pytest_command(*options), cwd=folder, env=pytest_environment(), capture_output=True, text=True, check=False
    )
