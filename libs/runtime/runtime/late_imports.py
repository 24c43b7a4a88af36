"""Imports for the first use of a part of a service, while the process already serves others."""

import asyncio
import sys
import threading
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from runtime.loading import loading

# Python takes a lock for each module: two threads that import modules of one package, which import each other, fail
# with a deadlock or get a module that is not complete. Processes are forked only while they have a single thread, so
# never while this lock is held.
_importing = threading.Lock()
_loaded = dict[str, Any]()
"""By name. `sys.modules` also has those whose import has not ended."""


async def load(name: str) -> Any:
    """Return a module, which is imported in a thread if it is not loaded, one at a time in the whole process.

    The garbage collector leaves it out later, as what was imported at the start: to go through the MCP library and the
    SDK of the agents, it would stop the service for 8 ms each time.

    Raises:
        ImportError: it, or what it needs, cannot be imported. Anything else that its code raises is raised as well.
    """
    if name not in _loaded:
        _loaded[name] = await asyncio.to_thread(_import, name)
    return _loaded[name]


def _import(name: str) -> Any:
    with _importing, nullcontext() if name in sys.modules else loading():
        return import_module(name)
