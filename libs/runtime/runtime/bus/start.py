"""Check that NATS can be used before a process starts."""

import asyncio
import ssl
from contextlib import suppress

import nats.errors
from nats.js.errors import ServiceUnavailableError

from runtime.bus.client import Client, NotPermitted
from runtime.bus.jetstream import jetstream
from runtime.bus.transport import TlsNotRequired
from runtime.starting import CannotStart, DependencyUnavailable, describe_error, display_url, wait_for_dependency

MIN_VERSION = (2, 12)
"""Older servers silently ignore newer stream settings."""
ATTEMPT_TIMEOUT = 3.0


async def wait_for_bus(url: str, name: str, *, within: float, stop: asyncio.Event) -> None:
    """Wait at most `within` seconds until the NATS server at NATS_URL can be used by the service `name`.

    Raises:
        CannotStart: it does not answer in time, refuses the credentials, permits the user too little, is too old, or
            has no JetStream.
        Stopped: the process was asked to stop while it waited.
    """
    where = display_url("NATS_URL", url)
    await wait_for_dependency(lambda: _attempt(url, name, where), where, within=within, stop=stop)


async def _attempt(url: str, name: str, where: str) -> None:
    client, errors = Client(), list[Exception]()

    async def record(error: Exception) -> None:
        errors.append(error)

    try:
        async with asyncio.timeout(ATTEMPT_TIMEOUT):
            await client.connect(
                url,
                name=name,
                allow_reconnect=False,
                connect_timeout=2,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                error_cb=record,
            )
            await _check(client, where)
    except NotPermitted:
        raise CannotStart(f"{where}: this NATS user has no permissions for {name}. Use the user of {name}.") from None
    except (OSError, nats.errors.Error) as error:
        raise _startup_error(errors[-1] if errors else error, where) from None
    finally:
        with suppress(Exception):  # closing a connection that was never open fails in many ways
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                await client.close()


async def _check(client: Client, where: str) -> None:
    version = client.connected_server_version
    if (version.major, version.minor) < MIN_VERSION:
        raise CannotStart(
            f"{where}: the server is nats-server {version.major}.{version.minor}, but "
            f"{MIN_VERSION[0]}.{MIN_VERSION[1]} or later is required. Upgrade it, or set NATS_URL to a newer server."
        )
    try:
        await jetstream(client, timeout=2).account_info()
    except ServiceUnavailableError:
        advice = "Enable it: `nats-server -js`, or `jetstream {}` in its configuration."
        raise DependencyUnavailable("JetStream is not enabled", advice) from None


def _startup_error(error: BaseException, where: str) -> Exception:
    match error:
        case ssl.SSLCertVerificationError():
            return CannotStart(
                f"{where}: the certificate of NATS is not trusted ({error.verify_message.rstrip('.')}). Set "
                "SSL_CERT_FILE to the certificate of the authority that issued it, and use a host that it names."
            )
        case TlsNotRequired():
            return CannotStart(f"{where}: NATS does not require TLS. Configure `tls` in NATS, or use nats://.")
        case _:
            return _connection_error(error, where)


def _connection_error(error: BaseException, where: str) -> Exception:
    text = str(error).lower()
    if "authorization" in text or "authentication" in text:
        return CannotStart(f"{where}: NATS rejected the credentials. Correct the user and the password in NATS_URL.")
    if "connect url" in text:
        return CannotStart(f"{where}: this is not a valid URL. The format is nats://user:password@host:4222.")
    return DependencyUnavailable(describe_error(error), "Start NATS, or correct NATS_URL.")
