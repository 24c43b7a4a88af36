"""The lifecycle of a process: settings, logs, signals, graceful shutdown, exit code."""

import asyncio
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import cast

from pydantic import Field, PositiveFloat

from runtime import logging, settings, starting, telemetry
from runtime.event_loop import EventLoop
from runtime.telemetry_settings import TelemetrySettings

MAX_DESCRIPTORS = 65_536
"""Files and connections that a process may have open, if the hard limit of the system allows it."""

type Main[S] = Callable[[S, asyncio.Event], Coroutine[object, object, None]]


class ProcessSettings(TelemetrySettings):
    """Settings of every long-running process.

    `dependency_wait_seconds` is how long startup waits for the database and the bus.
    """

    dependency_wait_seconds: PositiveFloat = 60.0


class OpsSettings(ProcessSettings):
    """Settings of a process that serves its probes and metrics on a port of its own; 0 is any free one."""

    ops_host: str = "127.0.0.1"
    ops_port: int = Field(default=0, ge=0, le=65_535)


def run[S: ProcessSettings](name: str, kind: type[S], main: Main[S]) -> None:
    """Run `main(settings, stop)` until it returns. SIGTERM and SIGINT set `stop`, upon which `main` shuts down.

    Exits with 2 if a setting is invalid, with 69 if `main` raises `CannotStart` (its text goes to stderr), and with 1
    if it raises anything else. Both may be in a group, with what they have caused.
    """
    try:
        values = settings.load(kind)
    except settings.InvalidSettings as error:
        sys.exit(_print_error(f"{name} cannot start.\n{error}", 2))
    logging.set_up(name, values.log_level, telemetry.log_ids)
    for warning in settings.misspelled_settings(settings.variables_of(kind)):
        logging.get_logger().warning(warning)
    _raise_descriptor_limit()
    telemetry.set_up(name, values)
    try:
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            runner.run(_until_signalled(values, main))
    except starting.Stopped:
        logging.get_logger().info("stopped during startup")
    except Exception as error:  # noqa: BLE001  the outermost handler
        sys.exit(_exit_code(name, error))
    finally:
        telemetry.shut_down()


def _exit_code(name: str, error: Exception) -> int:
    """Write the reason why the process ends, and return its exit code."""
    for reason in _leaves(error):
        if isinstance(reason, starting.CannotStart):
            return _print_error(f"{name} cannot start: {reason}", starting.EXIT_CODE)
        if isinstance(reason, starting.CannotContinue):
            logging.get_logger().error("process failed", reason=str(reason))
            return 1
    logging.get_logger().error("process failed", exc_info=error)
    return 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast(BaseExceptionGroup[BaseException], error).exceptions:
            yield from _leaves(each)
    else:
        yield error


async def _until_signalled[S: ProcessSettings](values: S, main: Main[S]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await main(values, stop)


def _raise_descriptor_limit() -> None:
    # Each connection takes one, and the soft limit is often 1,024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(MAX_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _print_error(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code
