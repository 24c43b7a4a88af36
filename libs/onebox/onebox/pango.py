"""Pango, the library of the system that reports need to become PDF. No Python package brings it."""

import ctypes
import os
import shutil
import subprocess
from contextlib import suppress
from ctypes.util import find_library
from pathlib import Path

from onebox.terminal import report

LIBRARIES = ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")
PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
ATTEMPTED = "pango-install-attempted"
"""A file in the data folder: an attempt that failed, such as without a network, is not repeated at every start."""
INSTALL_TIMEOUT = 120.0
ADVICE = (
    "Reports are not available as PDF, only as HTML, Markdown and JSON: Pango is missing. "
    f"To install it on Debian or Ubuntu: apt-get install {' '.join(PACKAGES)}"
)


def ensure_pango(data_dir: Path) -> None:
    """Install Pango if it is missing, this process runs as root, and there is apt-get. Otherwise say how to install it.

    It never fails, because everything else works without it.
    """
    if is_installed():
        return
    marker, program = data_dir.expanduser() / ATTEMPTED, shutil.which("apt-get")
    if os.geteuid() != 0:
        report(ADVICE)
    elif program and not marker.exists():
        report(f"Installing Pango, which reports need to become PDF: apt-get install {' '.join(PACKAGES)}")
        with suppress(OSError):
            marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            marker.touch()
        if not _install(program):
            report("Pango could not be installed.")


def is_installed() -> bool:
    """Return whether the libraries can be loaded."""
    try:
        for name in LIBRARIES:
            ctypes.CDLL(find_library(name) or f"lib{name}.so.0")
    except OSError:
        return False
    return True


def _install(program: str) -> bool:
    # The environment is inherited, since it may name a proxy.
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", program, "--quiet", "--yes"]
    install = [*apt, "install", "--no-install-recommends", *PACKAGES]
    # Without the update, an image whose lists of packages were removed finds no package.
    return _run(install) or (_run([*apt, "update"]) and _run(install))


def _run(command: list[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=INSTALL_TIMEOUT, cwd="/"
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
