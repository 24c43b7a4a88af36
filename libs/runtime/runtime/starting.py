"""Startup errors: one plain line for the operator. Waiting for dependencies that are not available yet."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs

from runtime.logging import get_logger

log = get_logger()

EXIT_CODE = 69
"""Exit code of a process that cannot start (EX_UNAVAILABLE in sysexits.h): restarting it soon will not help."""
RETRY_SECONDS = 0.5


class CannotStart(Exception):
    """The process cannot start. The message is one line: the variable, what is wrong, and how to fix it."""


class CannotContinue(Exception):
    """The process has to end, and may succeed if it is started again. The message is one line that says why."""


class Stopped(Exception):
    """The process was asked to stop during startup."""


class DependencyUnavailable(Exception):
    """A dependency is unavailable, and may become available.

    Args:
        reason: what was observed.
        advice: how to fix it, as a sentence.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice


async def wait_for_dependency[R](
    attempt: Callable[[], Awaitable[R]],
    where: str,
    *,
    within: float,
    stop: asyncio.Event,
    pause: float = RETRY_SECONDS,
) -> R:
    """Repeat `attempt` while it raises `DependencyUnavailable`; return what it returns. The first failure is logged.

    Args:
        attempt: tries once, with its own timeout.
        where: the variable and the address, from `display_url`.
        within: seconds after which no further attempt starts.
        stop: set when the process is asked to stop.
        pause: seconds between two attempts.

    Raises:
        CannotStart: the dependency was still unavailable after `within` seconds, or waiting cannot help.
        Stopped: the process was asked to stop while it waited.
    """
    end = asyncio.get_running_loop().time() + within
    logged = False
    while True:
        try:
            return await attempt()
        except DependencyUnavailable as error:
            if not logged:
                log.warning("waiting for a dependency", dependency=where, reason=error.reason, at_most_seconds=within)
            logged = True
            if asyncio.get_running_loop().time() >= end:
                raise CannotStart(f"{where}: {error.reason} (waited {within:g} s). {error.advice}") from None
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()
        if stop.is_set():
            raise Stopped


def display_url(variable: str, url: str) -> str:
    """Return `VARIABLE=url` for messages, without credentials and without options except the folder of a socket."""
    scheme, found, rest = url.partition("://")
    rest, _, options = rest.partition("?")
    if not found or "@" in options:  # malformed: the password could be anywhere
        return variable
    folder = parse_qs(options).get("host", [])
    return f"{variable}={scheme}://{rest.rpartition('@')[2]}" + "".join(f"?host={path}" for path in folder[:1])


def describe_error(error: BaseException) -> str:
    """Return a short reason for a failed connection, without addresses, which may contain a password."""
    match error:
        case socket.gaierror():
            return f"unknown host name ({error.strerror})"
        case ssl.SSLError():  # its number is not one of the system
            return f"the TLS handshake failed ({error.reason or 'the connection was closed'})"
        case OSError(errno=int(number)):
            return f"cannot connect ({os.strerror(number)})"
        case TimeoutError():
            return "cannot connect (timed out)"
        case _:
            text = str(error)
            return type(error).__name__ if not text or "://" in text else text


def check_port(host: str, port: int, variable: str) -> None:
    """Check that a port can be listened on. Port 0 always can.

    Raises:
        CannotStart: the port is in use or not permitted, or the host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]
        raise CannotStart(
            f"{variable}={port}: cannot listen on {host}:{port} ({reason}). Stop the program that uses the port, or "
            "choose another port."
        ) from None
