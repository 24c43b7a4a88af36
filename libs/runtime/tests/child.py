"""A process for the tests, which does what the variable ACT says."""

import asyncio
import logging
import sys
from typing import Literal

from runtime.logging import bound_contextvars, get_logger
from runtime.process import ProcessSettings, run
from runtime.starting import CannotContinue, CannotStart

log = get_logger()


class Settings(ProcessSettings):
    """Settings that a test passes."""

    act: Literal["wait", "fail", "refuse", "refuse in a group", "end", "log"]
    size: int = 1


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Act as the settings say."""
    match settings.act:
        case "wait":
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await stop.wait()
            sys.stdout.write("drained\n")
        case "fail":
            raise LookupError("nothing there")
        case "refuse":
            raise CannotStart("NATS_URL=nats://bus: cannot connect. Start it.")
        case "refuse in a group":
            raise ExceptionGroup("tasks", [LookupError("a consequence"), ExceptionGroup("more", [CannotStart("Why.")])])
        case "end":
            raise ExceptionGroup("tasks", [CannotContinue("the bus closed the connection")])
        case "log":
            with bound_contextvars(correlation_id="story"):
                log.info("structured", answer=42)
                logging.getLogger("some.library").warning("from a library: %s", 43)
            log.debug("not shown at the default level")


run("child", Settings, main)
