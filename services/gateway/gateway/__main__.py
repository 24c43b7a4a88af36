"""Runs the gateway: `python -m gateway`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

from runtime.loading import loading

with loading():
    from runtime import process
    from runtime.bus import Unavailable, connected, wait_until_closed
    from runtime.bus.start import wait_for_bus
    from runtime.forever import forever
    from runtime.http import health
    from runtime.logging import get_logger
    from runtime.starting import check_port
    from runtime.usage import refuse_arguments

    from gateway.app import create_app
    from gateway.clients.proxies import Proxies
    from gateway.entry.hosts import Hosts
    from gateway.server_files.parser import FileParser
    from gateway.settings import Settings
    from gateway.state import Gateway

type Work = Callable[[], Awaitable[None]]

log = get_logger()

LAST_WAIT_SECONDS = 8.0
"""Seconds that clients may go on waiting for what they started, at shutdown; the server ends all requests after 10."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then accept no new requests, and let open ones finish."""
    check_port(settings.host, settings.port, "PORT")
    check_port(settings.ops_host, settings.ops_port, "OPS_PORT")
    await wait_for_bus(settings.nats_url, "gateway", within=settings.dependency_wait_seconds, stop=stop)
    async with (
        connected(settings.nats_url, "gateway") as client,
        FileParser.open() as files,
        asyncio.TaskGroup() as tasks,
    ):
        gateway = Gateway.on(client, settings, files)
        background = [tasks.create_task(forever(name, work)) for name, work in _background(gateway).items()]
        background.append(tasks.create_task(wait_until_closed(client)))
        async with _probes(gateway) as ops:
            await _serve(gateway, stop, ops)
        await gateway.api_calls.report_last()
        with suppress(Unavailable):
            await gateway.audit_reports.flush()
        for task in background:
            task.cancel()


def _background(gateway: Gateway) -> dict[str, Work]:
    """Return what is repeated until the process ends."""
    return {
        "keys": gateway.keys.stay_fresh,
        "revocations": gateway.revocations.watch,
        "API keys": gateway.api_keys.report_uses,
        "API calls": gateway.api_calls.stay_reported,
        "runs": gateway.runs.waiting.listen,
        "reports": gateway.reports.waiting.listen,
        "checks": gateway.checks.waiting.listen,
        "streams": gateway.streams.run,
        "audit reports": gateway.audit_reports.report,
        "open streams": gateway.streams.counted.keep,
    }


async def _serve(gateway: Gateway, stop: asyncio.Event, ops: health.Server) -> None:
    """Serve the API until some time after `stop` is set, and let requests in progress end."""
    settings, readiness = gateway.settings, gateway.readiness
    app = create_app(gateway, settings.origins, Hosts(settings.host, settings.hosts), Proxies(settings.proxies))
    async with health.serving(app, settings.host, settings.port):
        readiness.closed = None
        log.info("ready", host=settings.host, port=settings.port, ops_port=ops.address[1])
        await stop.wait()
        readiness.closed = "this server is about to stop"
        log.info("draining", delay_seconds=settings.drain_delay_seconds)
        await asyncio.sleep(settings.drain_delay_seconds)  # until those who send requests here have noticed
        gateway.waits.shut_down(LAST_WAIT_SECONDS)
        await gateway.streams.close()


def _probes(gateway: Gateway) -> AbstractAsyncContextManager[health.Server]:
    """Serve probes and metrics, from before the API is served until its last request has ended."""
    gateway.readiness.closed = "this server is starting"
    app = health.app(gateway.readiness.health, gateway.scrapes.exposition, services=gateway.readiness.of_system)
    return health.serving(app, gateway.settings.ops_host, gateway.settings.ops_port)


if __name__ == "__main__":
    refuse_arguments("gateway", Settings)
    process.run("gateway", Settings, main)
