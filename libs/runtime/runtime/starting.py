"""What keeps a process from starting, said in one plain line to the person who starts it."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs

from runtime.logging import get_logger

log = get_logger()

EXIT_CODE = 69
"""Of a process that cannot start (EX_UNAVAILABLE of sysexits.h): another start soon after will not help."""
PAUSE = 0.5


class CannotStart(Exception):
    """One line: the variable that is concerned, what is wrong, and what to do about it."""


class Stopped(Exception):
    """The process was asked to stop before it had started."""


class Away(Exception):
    """A dependency cannot be used now, but perhaps soon.

    Args:
        reason: what was observed.
        advice: what to do if it stays so, as a sentence.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice


async def reach(
    attempt: Callable[[], Awaitable[None]], where: str, *, within: float, stop: asyncio.Event, pause: float = PAUSE
) -> None:
    """Repeat `attempt` until it returns, as long as it raises `Away`; say once in the log that this is waited for.

    Args:
        attempt: tries once; has a time limit of its own.
        where: the variable and its address, as `named` returns them.
        within: seconds after which no further attempt is made.
        stop: set when the process is asked to stop.
        pause: seconds between two attempts.

    Raises:
        CannotStart: it was still away at the end, or the attempt found that waiting does not help.
        Stopped: the process was asked to stop meanwhile.
    """
    until = asyncio.get_running_loop().time() + within
    told = False
    while True:
        try:
            return await attempt()
        except Away as away:
            if asyncio.get_running_loop().time() >= until:
                raise CannotStart(f"{where}: {away.reason}; waited {within:g} s. {away.advice}") from None
            if not told:
                log.warning("waiting for a dependency", dependency=where, reason=away.reason, at_most_seconds=within)
            told = True
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()
        if stop.is_set():
            raise Stopped


def named(variable: str, url: str) -> str:
    """Return `VARIABLE=address` to be shown: without credentials, and of the options only a socket's folder."""
    scheme, found, rest = url.partition("://")
    rest, _, options = rest.partition("?")
    if not found or "@" in options:  # malformed: what is a password here, nobody can say
        return variable
    folder = parse_qs(options).get("host", [])
    return f"{variable}={scheme}://{rest.rpartition('@')[2]}" + "".join(f"?host={path}" for path in folder[:1])


def because(error: BaseException) -> str:
    """Return why a connection failed, in a few words."""
    match error:
        case socket.gaierror():
            return f"the host name is not known ({error.strerror})"
        case OSError(errno=int(number)):
            return f"nothing answers ({os.strerror(number)})"
        case TimeoutError():
            return "nothing answers in time"
        case _:
            text = str(error)
            return type(error).__name__ if not text or "://" in text else text  # an address may hold a password


def check_port(host: str, port: int, variable: str) -> None:
    """Make sure that a port can be listened on; 0 always can.

    Raises:
        CannotStart: it is in use, or not allowed, or the host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]
        raise CannotStart(
            f"{variable}={port}: cannot listen on {host}:{port} ({reason}). Stop the program that uses the port, or "
            "choose another one."
        ) from None
