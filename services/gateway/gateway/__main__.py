"""Runs the gateway: `python -m gateway`."""

import asyncio

from runtime import process
from runtime.bus import as_long_as_connected, connected
from runtime.bus_start import bus_ready
from runtime.forever import forever
from runtime.health import serving
from runtime.logging import get_logger
from runtime.starting import check_port

from gateway.app import create_app
from gateway.hosts import Hosts
from gateway.settings import Settings
from gateway.state import Gateway

log = get_logger()

DRAIN = 8.0
"""Seconds that waits for runs get at the end; the server gives all requests 10."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop`; then take nothing new, and let open requests finish."""
    check_port(settings.host, settings.port, "PORT")
    await bus_ready(settings.nats_url, within=settings.dependency_wait_seconds, stop=stop)
    async with connected(settings.nats_url, "gateway") as client, asyncio.TaskGroup() as tasks:
        gateway = Gateway.on(client, settings)
        endless = [
            tasks.create_task(forever(name, work))
            for name, work in {
                "keys": gateway.keys.stay_fresh,
                "revocations": gateway.revocations.watch,
                "runs": gateway.runs.waiting.listen,
                "streams": gateway.streams.run,
            }.items()
        ]
        endless.append(tasks.create_task(as_long_as_connected(client)))
        app = create_app(gateway, settings.origins, Hosts(settings.host, settings.hosts))
        async with serving(app, settings.host, settings.port):
            log.info("ready", host=settings.host, port=settings.port)
            await stop.wait()
            log.info("draining")
            gateway.waits.shut_down(DRAIN)
            await gateway.streams.close()
        for task in endless:
            task.cancel()


if __name__ == "__main__":
    process.run("gateway", Settings, main)
