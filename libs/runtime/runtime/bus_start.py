"""Whether NATS can be used, looked into before a process starts to work with it."""

import asyncio
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.js.errors import ServiceUnavailableError

from runtime.jetstream import jetstream
from runtime.starting import Away, CannotStart, because, named, reach

OLDEST = (2, 12)
"""Older servers silently ignore newer settings of a stream."""
ATTEMPT_TIMEOUT = 3.0


async def bus_ready(url: str, *, within: float, stop: asyncio.Event) -> None:
    """Wait until the NATS server at NATS_URL can be used, for `within` seconds.

    Raises:
        CannotStart: it does not answer in that time, refuses the credentials, is too old, or has no JetStream.
        Stopped: the process was asked to stop meanwhile.
    """
    where = named("NATS_URL", url)
    await reach(lambda: _attempt(url, where), where, within=within, stop=stop)


async def _attempt(url: str, where: str) -> None:
    client, errors = Client(), list[Exception]()

    async def note(error: Exception) -> None:
        errors.append(error)

    try:
        async with asyncio.timeout(ATTEMPT_TIMEOUT):
            await client.connect(
                url,
                name="start",
                allow_reconnect=False,
                connect_timeout=2,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                error_cb=note,
            )
            await _check(client, where)
    except (OSError, nats.errors.Error) as error:
        raise _meaning(errors[-1] if errors else error, where) from None
    finally:
        with suppress(Exception):  # nats-py fails in many ways at closing what never was open
            await client.close()


async def _check(client: Client, where: str) -> None:
    version = client.connected_server_version
    if (version.major, version.minor) < OLDEST:
        raise CannotStart(
            f"{where}: this is nats-server {version.major}.{version.minor}, and {OLDEST[0]}.{OLDEST[1]} or later is "
            "needed. Upgrade it, or set NATS_URL to a newer one."
        )
    try:
        await jetstream(client, timeout=2).account_info()
    except ServiceUnavailableError:
        advice = "Enable it: `nats-server -js`, or `jetstream {}` in its configuration."
        raise Away("JetStream is not enabled there", advice) from None


def _meaning(error: BaseException, where: str) -> Exception:
    text = str(error).lower()
    if "authorization" in text or "authentication" in text:
        return CannotStart(f"{where}: NATS refuses these credentials. Correct the user and the password in NATS_URL.")
    if "connect url" in text:
        return CannotStart(f"{where}: this is not a valid address. NATS_URL looks like nats://user:password@host:4222.")
    return Away(because(error), "Start NATS there, or correct NATS_URL.")
