"""Every message there is, found by walking `contracts`."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import contracts
from contracts.messages import BusMessage


def messages() -> list[type[BusMessage]]:
    """Return the class of every message, by service and name."""
    for module in pkgutil.walk_packages(contracts.__path__, "contracts."):
        importlib.import_module(module.name)
    found = {kind for kind in _heirs(BusMessage) if kind.__module__.startswith("contracts.")}
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def _heirs(kind: type[Any]) -> Iterator[type[BusMessage]]:
    for heir in kind.__subclasses__():
        yield from _heirs(heir)
        is_kind = heir.__module__ == "contracts.messages" or heir.__pydantic_generic_metadata__["args"]
        if not is_kind:  # `Command`, `Command[X]`
            yield heir
