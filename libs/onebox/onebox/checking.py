"""Checks all settings before anything starts, so that every mistake is reported at once.

Those of services are checked only if one of them is set, since their code has to be loaded for that.
"""

import os
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec

from contracts.catalogue import SERVICES
from runtime.loading import loading
from runtime.settings import InvalidSettings, load

from onebox.children import SERVICE_SETTINGS
from onebox.settings import BoxSettings

PASSED_ON = (*SERVICE_SETTINGS, "PUBLIC_URL", "ADMIN_PASSWORD", "ADMIN_PASSWORD_FILE")
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
    return [line for line in _mistakes() if line.partition(":")[0] in present]


def _mistakes() -> Iterator[str]:
    """Yield a line for each invalid setting of a service. Those that the launcher will add are reported as missing."""
    for name in filter(find_spec, ("gateway", *SERVICES)):
        try:
            with loading():
                settings = import_module(f"{name}.settings").Settings
            load(settings)
        except ImportError:  # the service says in its log what is missing, when it starts
            continue
        except InvalidSettings as error:
            yield from str(error).splitlines()
