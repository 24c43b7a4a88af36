"""A plugin that lets HTTP clients of tests share the certificates that they trust: each would load them for 7 ms."""

from functools import cache
from pkgutil import resolve_name

import pytest

_CREATE = tuple(f"{package}._transports.default.create_ssl_context" for package in ("httpx", "httpx2"))


def pytest_configure(config: pytest.Config) -> None:
    """Load certificates once from now on."""
    patch = pytest.MonkeyPatch()
    for name in _CREATE:
        patch.setattr(name, cache(resolve_name(name)))
    config.add_cleanup(patch.undo)
