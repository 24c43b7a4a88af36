"""Clients that ask as fast as they are answered, in a process of their own."""

import asyncio
import multiprocessing
import time
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles

import uvloop

from tests.bench.http import Connection, Request


@dataclass(frozen=True)
class Load:
    """So many clients ask the server at a port the same thing, for so many seconds."""

    port: int
    request: Request
    clients: int
    seconds: float


@dataclass(frozen=True)
class Served:
    """Result of a load: its duration, and that of each answer."""

    seconds: float
    latencies: list[float] = field(repr=False)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        return quantiles(self.latencies, n=100)[percent - 1]


class Clients:
    """The process that the clients are in."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    @classmethod
    @contextmanager
    def started(cls) -> Generator["Clients"]:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            yield cls(pool)

    async def put(self, load: Load) -> Served:
        """Put a load on a server."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _run, load)


def _run(load: Load) -> Served:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(load))


async def _serve(load: Load) -> Served:
    connections = [await Connection.open(load.port) for _ in range(load.clients)]
    latencies: list[float] = []
    began = time.perf_counter()
    async with asyncio.TaskGroup() as clients:
        for connection in connections:
            clients.create_task(_repeat(connection, load.request, began + load.seconds, latencies))
    return Served(time.perf_counter() - began, latencies)


async def _repeat(connection: Connection, request: Request, end: float, latencies: list[float]) -> None:
    async with connection:
        while (began := time.perf_counter()) < end:
            await connection.ask(request)
            latencies.append(time.perf_counter() - began)
