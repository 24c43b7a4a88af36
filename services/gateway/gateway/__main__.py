"""Runs the gateway: `python -m gateway`."""

import asyncio
import socket
import sys

from runtime import process
from runtime.bus import as_long_as_connected, connected
from runtime.forever import forever
from runtime.health import serving
from runtime.logging import get_logger

from gateway.app import create_app
from gateway.hosts import Hosts
from gateway.settings import Settings
from gateway.state import Gateway

log = get_logger()

DRAIN = 8.0
"""Seconds that waits for runs get at the end; the server gives all requests 10."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop`; then take nothing new, and let open requests finish."""
    _check_free(settings.host, settings.port)
    async with connected(settings.nats_url, "gateway") as client, asyncio.TaskGroup() as tasks:
        gateway = Gateway.on(client, settings)
        endless = [
            tasks.create_task(forever(name, work))
            for name, work in {
                "keys": gateway.keys.stay_fresh,
                "revocations": gateway.revocations.watch,
                "runs": gateway.runs.listen,
                "streams": gateway.streams.run,
            }.items()
        ]
        endless.append(tasks.create_task(as_long_as_connected(client)))
        app = create_app(gateway, settings.origins, Hosts(settings.host, settings.hosts))
        async with serving(app, settings.host, settings.port):
            log.info("ready", host=settings.host, port=settings.port)
            await stop.wait()
            log.info("draining")
            gateway.runs.close(DRAIN)
            await gateway.streams.close()
        for task in endless:
            task.cancel()


def _check_free(host: str, port: int) -> None:
    # Asked here, since the server would end the process with a trace for what is one wrong setting.
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]
        sys.exit(f"gateway cannot listen on {host}:{port}: {reason}")


if __name__ == "__main__":
    process.run("gateway", Settings, main)
