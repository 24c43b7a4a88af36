"""Rate limits: what the check of a request costs beside the same route without, and whether the limit is exact."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from runtime.bus import connected
from runtime.bus.jetstream import jetstream

from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import Side, interleaved, timed
from tests.bench.stage import Stage, until
from tests.e2e.user import User

ROUNDS, WARM_UP = 2000, 200
CLIENTS, LIMIT = 8, 500
UNREACHED = "1000000/minute;1000000/hour"
EXACT = f"{LIMIT}/hour"
PATH = "/api/v1/auth/me"
AIM = Aim(0.5, " ms", most=True)


async def measure(stage: Stage) -> list[Line]:
    """Measure the cost of a check, then the exactness over two gateways."""
    user = stage.user()
    return [await _cost(stage, user), await _exactness(stage, user)]


async def _cost(stage: Stage, user: User) -> Line:
    request = Request.get(PATH, str(user.http.headers["authorization"]))
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(_gateway(stage, limits)) for limits in (UNREACHED, "none")]
        checked, free = [await stack.enter_async_context(await Connection.open(port)) for port in ports]
        sides: dict[str, Side] = {
            "checked": timed(lambda: checked.ask(request)),
            "free": timed(lambda: free.ask(request)),
        }
        await interleaved(sides, WARM_UP)
        rounds = await interleaved(sides, ROUNDS)
    with_check, without = rounds.median("checked"), rounds.median("free")
    difference = (with_check - without) * 1000
    name = "GET /auth/me, two windows counted; not counted (p50)"
    return Line(name, milliseconds(with_check), milliseconds(without), difference, AIM, " ms")


async def _exactness(stage: Stage, user: User) -> Line:
    request = Request.get(PATH, str(user.http.headers["authorization"]))
    async with connected(stage.nats.url, "bench") as client:
        await jetstream(client).purge_stream("RATE_LIMITS")
    async with _gateway(stage, EXACT) as one, _gateway(stage, EXACT) as other:
        served = await asyncio.gather(*(_served(port, request) for port in (one, other) for _ in range(CLIENTS // 2)))
    return Line(f"{2 * LIMIT} requests of {CLIENTS} clients to 2 gateways: served; limit", str(sum(served)), str(LIMIT))


async def _served(port: int, request: Request) -> int:
    served = 0
    async with await Connection.open(port) as connection:
        for _ in range(2 * LIMIT // CLIENTS):
            served += await connection.status(request) == request.status
    return served


@asynccontextmanager
async def _gateway(stage: Stage, limits: str) -> AsyncGenerator[int]:
    """Run another gateway of the system, and yield its port."""
    port = stage.free_port()
    child = stage.start("gateway", {"PORT": str(port), "NATS_URL": stage.nats.url, "RATE_LIMITS": limits})
    try:
        await until(child, lambda: _is_ready(port))
        yield port
    finally:
        child.ask_to_stop()
        child.finish()


async def _is_ready(port: int) -> bool:
    try:
        async with await Connection.open(port) as connection:
            return await connection.status(Request.get("/health/ready")) == 200
    except OSError:
        return False
