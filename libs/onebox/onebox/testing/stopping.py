"""A plugin that lets servers in test processes stop at once.

uvicorn looks ten times a second whether a server should stop, and whether its connections are closed, and waits a tenth
of a second at least: together most of the time that a test of a server takes.
"""

import asyncio

import pytest

SPEED = 10


class QuickAsyncio:
    """The module `asyncio`, in which pauses are shorter."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        """Sleep for a fraction of the time."""
        await asyncio.sleep(seconds / SPEED)


def pytest_configure(config: pytest.Config) -> None:
    """Shorten the pauses of uvicorn from now on."""
    patch = pytest.MonkeyPatch()
    patch.setattr("uvicorn.server.asyncio", QuickAsyncio())
    config.add_cleanup(patch.undo)
