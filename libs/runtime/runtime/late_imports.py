"""Imports for the first use of a part of a service, while the process already serves others."""

import asyncio
import threading
from importlib import import_module
from typing import Any

# Python takes a lock for each module: two threads that import modules of one package, which import each other, fail
# with a deadlock or get a module that is not complete. Processes are forked only while they have a single thread, so
# never while this lock is held.
_importing = threading.Lock()


async def load(name: str) -> Any:
    """Return a module, which is imported in a thread if it is not loaded, one at a time in the whole process.

    Raises:
        ImportError: it, or what it needs, cannot be imported. Anything else that its code raises is raised as well.
    """
    return await asyncio.to_thread(_import, name)


def _import(name: str) -> Any:
    with _importing:
        return import_module(name)
