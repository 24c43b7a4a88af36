"""Checks all settings before anything starts, so that every mistake is reported at once.

The settings of services are checked by this module as a program of its own, since they bring the libraries of all
services along. It runs only if one of them is set.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec

from contracts.catalogue import SERVICES
from runtime.settings import InvalidSettings, load

from onebox.children import SERVICE_SETTINGS, allowed_environment
from onebox.settings import BoxSettings

TIMEOUT = 60.0
PASSED_ON = (*SERVICE_SETTINGS, "PUBLIC_URL", "ADMIN_PASSWORD")
"""Settings that services check, besides those of this system."""
_environment = os.environ  # noqa: TID251  to learn which settings are set


def checked_settings() -> BoxSettings:
    """Return the settings of this system, having checked those of its services, too.

    As long as this process is root, only its own settings are checked, unless one of them is invalid: it is about to be
    restarted with another account, which has to be able to read the files that settings of services name.

    Raises:
        InvalidSettings: one line for each variable that is invalid.
    """
    try:
        settings = load(BoxSettings)
    except InvalidSettings as error:
        raise InvalidSettings(_merged([*str(error).splitlines(), *_mistakes_of_services()])) from None
    if os.geteuid() != 0 and (mistakes := _mistakes_of_services()):
        raise InvalidSettings(_merged(mistakes))
    return settings


def _merged(lines: Iterable[str]) -> str:
    """Return one line for each variable: several services may have a setting in common."""
    by_name: dict[str, str] = {}
    for line in lines:
        by_name.setdefault(line.partition(":")[0], line)
    return "\n".join(by_name.values())


def _mistakes_of_services() -> list[str]:
    present = {name for name in PASSED_ON if _environment.get(name)}
    if not present:
        return []
    environment = allowed_environment() | {name: _environment[name] for name in present}
    try:
        ran = subprocess.run(  # noqa: S603  our own program
            [sys.executable, "-P", "-m", __name__],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []  # each service checks its settings again when it starts
    return [line for line in ran.stdout.splitlines() if line.partition(":")[0] in present]


def _check_services() -> None:
    """Write a line for each invalid setting. Those that the launcher will add are reported as missing, too."""
    for name in ("gateway", *SERVICES):
        if find_spec(name):
            try:
                load(import_module(f"{name}.settings").Settings)
            except InvalidSettings as error:
                sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    _check_services()
