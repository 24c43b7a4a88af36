"""The life of a process: settings, logs, signals, drain, exit code."""

import asyncio
import resource
import signal
import sys
from collections.abc import Callable, Coroutine

import uvloop
from pydantic import PositiveFloat

from runtime import logging, settings, starting, telemetry

DESCRIPTORS = 65_536
"""How many files and connections a process may have open, where the system lets it."""

type Main[S] = Callable[[S, asyncio.Event], Coroutine[object, object, None]]


class ProcessSettings(settings.Settings):
    """What every long-running process can be told.

    `dependency_wait_seconds` is how long a start waits for the database and the bus to come up.
    """

    dependency_wait_seconds: PositiveFloat = 60.0
    otel_exporter_otlp_endpoint: str | None = None


def run[S: ProcessSettings](name: str, kind: type[S], main: Main[S]) -> None:
    """Run `main(settings, stop)` until it returns; SIGTERM and SIGINT set `stop`, and `main` then drains.

    Exits with 2 when a setting is wrong, with 69 when `main` raises `CannotStart` (its line goes to stderr), and
    with 1 when it raises anything else.
    """
    try:
        values = settings.load(kind)
    except settings.WrongSettings as wrong:
        sys.exit(_complain(f"{name} cannot start.\n{wrong}", 2))
    logging.set_up(name, values.log_level)
    for warning in settings.misspelt({field.upper() for field in kind.model_fields}):
        logging.get_logger().warning(warning)
    _raise_descriptor_limit()
    telemetry.set_up(name, values.otel_exporter_otlp_endpoint)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(values, main))
    except starting.Stopped:
        logging.get_logger().info("stopped before it had started")
    except starting.CannotStart as reason:
        sys.exit(_complain(f"{name} cannot start: {reason}", starting.EXIT_CODE))
    except Exception:  # noqa: BLE001  the edge: nobody else will log it
        logging.get_logger().exception("the process cannot go on")
        sys.exit(1)
    finally:
        telemetry.shut_down()


async def _until_signalled[S: ProcessSettings](values: S, main: Main[S]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await main(values, stop)


def _raise_descriptor_limit() -> None:
    # Each connection takes one, and many shells give no more than 1,024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code
