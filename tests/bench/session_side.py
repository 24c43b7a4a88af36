"""The far end of what the scheduler starts: answers as session and identity do, and ends each run at once."""

import asyncio

from runtime import process
from runtime.process import ProcessSettings

from tests.simulated_sessions import SimulatedSessions


class Settings(ProcessSettings):
    """Where the bus is."""

    nats_url: str


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Answer until stopped."""
    async with SimulatedSessions(run_seconds=0, failing=None).serving(settings.nats_url):
        await stop.wait()


if __name__ == "__main__":
    process.run("session_side", Settings, main)
