"""Pango, the library of the system that reports need to become PDF. No Python package brings it.

Started by root on a machine without it, the system installs it beside its own start, which does not wait for it: this
module is also the program that does so. The report service notices when it has become available.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from ctypes.util import find_library

from onebox.processes import is_alive
from onebox.terminal import report

LIBRARIES = ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")
PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
BY_HAND = f"apt-get install {' '.join(PACKAGES)}"
DOWNLOAD_SECONDS, INSTALL_SECONDS = 120.0, 300.0
"""Limits of one apt-get command, which waits for another one to end, and for networks that drop packets."""
_POLL_SECONDS = 0.1
_LOW_PRIORITY = 10
OPTIONS = ("--quiet", "--yes", "-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::Retries=1")
_INSTALL = ("install", "--no-install-recommends", *PACKAGES)


def install_in_background() -> None:
    """Start installing Pango if it is missing, this process runs as root, and there is apt-get.

    Returns at once and never fails, because all else works without Pango. The outcome is written to the terminal.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None or is_installed():
        return
    report(f"Installing Pango in the background, which reports need to become PDF: {BY_HAND}")
    # Not a child of this process, which neither waits for it nor is root for long.
    command = ["setsid", "--fork", sys.executable, "-P", "-m", "onebox.pango", str(os.getpid())]
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=10, cwd="/")  # noqa: S603  no shell


def is_installed() -> bool:
    """Return whether the libraries can be loaded."""
    try:
        for name in LIBRARIES:
            ctypes.CDLL(find_library(name) or f"lib{name}.so.0")
    except OSError:
        return False
    return True


def install(launcher: int) -> str | None:
    """Install Pango with apt-get; return None, or why that failed.

    Downloading ends with the process `launcher`. Unpacking does not: it is short, and would leave the packages of the
    machine half installed.
    """
    download = ("--download-only", *_INSTALL)
    # Without the update, an image whose lists of packages were removed finds no package.
    reason = _run(download, DOWNLOAD_SECONDS, launcher)
    if reason and not (reason := _run(("update",), DOWNLOAD_SECONDS, launcher)):
        reason = _run(download, DOWNLOAD_SECONDS, launcher)
    return reason or _run(("--no-download", *_INSTALL), INSTALL_SECONDS)


def _run(arguments: tuple[str, ...], seconds: float, launcher: int | None = None) -> str | None:
    """Run apt-get, and return None or why it failed. It is ended after `seconds`, or when the launcher has ended."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryFile() as output:
        # The environment is inherited, since it may name a proxy.
        command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *OPTIONS, *arguments]
        with subprocess.Popen(  # noqa: S603  no shell
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        ) as process:
            while process.poll() is None:
                if time.monotonic() > end or (launcher and not is_alive(launcher)):
                    os.killpg(process.pid, signal.SIGKILL)
                    return f"it did not end within {seconds:g} s"
                time.sleep(_POLL_SECONDS)
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines()
    return None if process.returncode == 0 else (lines or ["without a message"])[-1]


def _main(launcher: int) -> None:
    os.nice(_LOW_PRIORITY)  # the system, which starts at the same time, comes first
    reason = install(launcher)
    if reason is None and is_installed():
        report("Pango is installed: reports are available as PDF.")
    elif is_alive(launcher):
        report(f"Pango could not be installed ({reason or 'its libraries cannot be loaded'}). By hand: {BY_HAND}")


if __name__ == "__main__":
    _main(int(sys.argv[1]))
