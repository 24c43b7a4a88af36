"""Liveness, readiness and metrics of a process, over HTTP for probes and scrapers.

They have a port of their own, which needs no check of the header `Host`: probes and scrapers use any name.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.lifespan.on import LifespanOn

from runtime.http.connections import BoundedProtocol
from runtime.http.websockets import WebSocketProtocol
from runtime.metrics import MEASURING_SECONDS, Measured, Values, metrics_of

CHECK_TIMEOUT = 2.0
MAX_MESSAGE_BYTES = 1024 * 1024
"""Maximum size of one WebSocket message."""
IDLE_TIMEOUT = 5
"""Seconds that a connection stays open without a request."""

OK = "ok"

type Check = Callable[[], Awaitable[None]]
type Report = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns the result of each check: `ok`, or what is wrong."""
type Metrics = Callable[[], Awaitable[bytes]]
"""Returns metrics in the text format of Prometheus."""


_ready = Measured(
    "ready",
    "Whether the process is ready, by what is checked; 0 is a reason of `/health/ready` to answer 503",
    ["check"],
    registry=metrics_of("runtime"),
)


class NotReady(Exception):
    """Raised by a check to report its reason. The text is shown to clients, so it must not contain anything private."""


class Degraded(NotReady):
    """Raised by a check if the process is ready, but does less than it could. The text is shown to clients, too."""


@dataclass
class Health:
    """The checks of a process, by dependency. A check returns if the dependency is healthy, and raises if not."""

    checks: dict[str, Check] = field(default_factory=dict[str, Check])

    async def report(self, within: float | None = None) -> dict[str, str]:
        """Run all checks concurrently, and return the result of each (see `is_healthy`): `ok`, or what is wrong.

        A check that takes longer than `within` seconds, by default `CHECK_TIMEOUT`, fails.
        """
        seconds = CHECK_TIMEOUT if within is None else within
        results = await asyncio.gather(*(_outcome(check, seconds) for check in self.checks.values()))
        return dict(zip(self.checks, results, strict=True))

    async def measure(self) -> Values:
        """Return what the checks say, for a scrape, which does not wait for those that hang."""
        report = await self.report(within=MEASURING_SECONDS / 2)
        return {_ready: {(name,): is_healthy(result) for name, result in report.items()}}


async def _outcome(check: Check, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            await check()
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except Degraded as reason:
        return f"{OK}, but {reason}"
    except NotReady as reason:
        return str(reason)
    except Exception as error:  # noqa: BLE001  any error means not healthy
        return type(error).__name__
    return OK


def is_healthy(result: str) -> bool:
    """Return whether the result of a check lets the process be ready."""
    return result.partition(",")[0] == OK


def response(report: Mapping[str, str]) -> JSONResponse:
    """Return the response with the results of checks; its status is 200 if all are `ok`, else 503."""
    healthy = all(map(is_healthy, report.values()))
    status = "ready" if healthy else "not ready"
    return JSONResponse({"status": status, "checks": report}, status_code=200 if healthy else 503)


def app(health: Health, metrics: Metrics, **further: Report) -> Starlette:
    """Return the ASGI application that serves `/health/live`, `/health/ready` and `/metrics`.

    Each `further` report is served below `/health/`, at its name.
    """

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def scrape(_: Request) -> Response:
        return Response(await metrics(), media_type=CONTENT_TYPE_LATEST)

    reports = {"ready": health.report, **further}
    routes = [Route("/health/live", live), Route("/metrics", scrape)]
    return Starlette(routes=[*routes, *(Route(f"/health/{name}", _serving(each)) for name, each in reports.items())])


def _serving(report: Report) -> Callable[[Request], Awaitable[Response]]:
    async def respond(_: Request) -> Response:
        return response(await report())

    return respond


class Server(uvicorn.Server):
    """uvicorn inside a process that handles its own signals."""

    @property
    def address(self) -> tuple[str, int]:
        """The host and port that it listens on, once it has started."""
        return self.servers[0].sockets[0].getsockname()[:2]


@asynccontextmanager
async def serving(asgi: object, host: str, port: int) -> AsyncGenerator[Server]:
    """Serve an ASGI application while the context is open. On exit, requests have 10 s to finish.

    Raises:
        OSError: the address cannot be used.
    """
    config = uvicorn.Config(
        asgi,  # pyright: ignore[reportArgumentType]  uvicorn's own type for ASGI is private
        host=host,
        port=port,
        http=BoundedProtocol,
        ws=WebSocketProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe those of every local client; the gateway has TRUSTED_PROXIES
        timeout_keep_alive=IDLE_TIMEOUT,
        timeout_graceful_shutdown=10,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=30,
        ws_ping_timeout=30,
    )
    config.load()
    server = Server(config)
    server.lifespan = LifespanOn(config)
    try:
        await server.startup()
    except SystemExit:  # raised by uvicorn, which has logged the reason
        raise OSError(f"cannot serve on {host}:{port}") from None
    # A TaskGroup would wrap exceptions that are raised inside the context.
    loop = asyncio.get_running_loop().create_task(server.main_loop())
    try:
        yield server
    finally:
        server.should_exit = True
        try:
            await loop
        finally:
            await server.shutdown()
