"""The service, whose job stops at a point and never continues: to be killed there."""

import asyncio
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from eventing import leases
from report.app import service
from report.renderer import Renderer
from report.settings import Settings
from report.storage.local import LocalStorage
from runtime.process import run

PLAIN = Path(__file__).with_name("odd_child.py")
"""Renders titles only."""


async def stall(marker: Path) -> None:
    """Create the marker, and wait for ever."""
    marker.touch()  # noqa: ASYNC240  nothing else happens in this process
    await asyncio.Event().wait()


def main(point: str, marker: Path) -> None:
    """Run the service until it is killed."""
    put = LocalStorage.put
    leases.LEASE_DURATION, leases.RENEWAL_SECONDS = timedelta(seconds=1), 0.2
    Renderer.open = staticmethod(partial(Renderer.open, program=PLAIN))  # pyright: ignore[reportAttributeAccessIssue]

    async def stall_in_render(*_: Any) -> None:
        await stall(marker)

    async def stall_after_put(storage: LocalStorage, key: str, file: Path) -> None:
        await put(storage, key, file)
        await stall(marker)

    if point == "rendering":
        Renderer.render = stall_in_render  # pyright: ignore[reportAttributeAccessIssue]
    else:
        LocalStorage.put = stall_after_put  # pyright: ignore[reportAttributeAccessIssue]
    run(service.name, Settings, service.run)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
