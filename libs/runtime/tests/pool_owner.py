"""A process that has a pool of children, for tests that kill it: it prints the children's ids, then lets one work."""

import asyncio
import sys
from pathlib import Path

import uvloop
from runtime.children.pool import ChildPool, Limits

LIMITS = Limits(cpu_seconds=5, wall_seconds=150)
"""A machine may be busy."""


async def main(request: list[object]) -> None:
    """Print the id of the only child, and send it a request."""
    program = Path(__file__).with_name("answering_child.py")
    async with ChildPool.open(program, LIMITS, children=1) as pool:
        pid = await pool.run(["pid", None])
        working = asyncio.get_running_loop().create_task(pool.run(request))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        await working
        await asyncio.Event().wait()


uvloop.run(main(["use_cpu", 1] if sys.argv[1] == "busy" else ["echo", None]))
