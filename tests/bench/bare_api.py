"""The process of the bare API that benchmarks compare with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.bench.http import Connection
from tests.bench.stage import Stage, until


@asynccontextmanager
async def bare_api(stage: Stage) -> AsyncGenerator[int]:
    """Start the bare API on a database of its own, and yield its port."""
    async with stage.databases.fresh() as url:
        port = stage.free_port()
        child = stage.start("tests.bench.control", {"PORT": str(port), "DATABASE_URL": url})
        try:
            await until(child, lambda: _answers(port))
            yield port
        finally:
            child.ask_to_stop()
            child.finish()


async def _answers(port: int) -> bool:
    try:
        async with await Connection.open(port):
            return True
    except OSError:
        return False
