import asyncio
import errno
import socket

import pytest
from runtime.starting import (
    CannotStart,
    DependencyUnavailable,
    Stopped,
    check_port,
    describe_error,
    display_url,
    wait_for_dependency,
)
from structlog.testing import capture_logs


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db:5432/app", "postgresql://db:5432/app"),
        ("postgresql://me:sec/ret@db/app", "postgresql://db/app"),
        ("postgresql://me:sec@ret@db/app", "postgresql://db/app"),
        ("postgresql://me@/app?host=/run/pg&password=secret", "postgresql:///app?host=/run/pg"),
        ("postgresql://db/app?password=sec@ret", None),
        ("postgresql://me:sec?ret@db/app", None),
        ("nats://secret@bus:4222", "nats://bus:4222"),
        ("nats://me:secret@one,nats://me:secret@two", "nats://two"),
        ("me:secret@db", None),
    ],
)
def test_an_address_is_shown_without_its_credentials(url: str, shown: str | None) -> None:
    assert display_url("A_URL", url) == (f"A_URL={shown}" if shown else "A_URL")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "cannot connect (Connection refused)"),
        (socket.gaierror(-2, "Name or service not known"), "unknown host name (Name or service not known)"),
        (TimeoutError(), "cannot connect (timed out)"),
        (LookupError("the system is starting up"), "the system is starting up"),
        (LookupError("ws://me:secret@bus"), "LookupError"),
    ],
)
def test_the_reason_of_a_failed_connection_is_short(error: Exception, reason: str) -> None:
    assert describe_error(error) == reason


async def test_a_dependency_that_starts_late_is_waited_for() -> None:
    attempts: list[int] = []

    async def attempt() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise DependencyUnavailable("cannot connect", "Start it.")

    await wait_for_dependency(attempt, "A_URL=nats://bus", within=60, stop=asyncio.Event(), pause=0)
    assert len(attempts) == 3


async def test_an_unavailable_dependency_raises_with_reason_and_advice() -> None:
    async def attempt() -> None:
        raise DependencyUnavailable("cannot connect", "Start it.")

    with pytest.raises(CannotStart, match=r"^A_URL=nats://bus: cannot connect \(waited 0 s\)\. Start it\.$"):
        await wait_for_dependency(attempt, "A_URL=nats://bus", within=0, stop=asyncio.Event())


async def test_the_first_failure_is_logged_once_however_late_it_is() -> None:
    async def attempt() -> None:
        raise DependencyUnavailable("cannot connect", "Start it.")

    for within in (0, 0.1):
        with capture_logs() as logged, pytest.raises(CannotStart):
            await wait_for_dependency(attempt, "A_URL=nats://bus", within=within, stop=asyncio.Event(), pause=0)
        assert [line["reason"] for line in logged] == ["cannot connect"]


async def test_a_wait_ends_when_the_process_is_asked_to_stop() -> None:
    stop = asyncio.Event()

    async def attempt() -> None:
        stop.set()
        raise DependencyUnavailable("cannot connect", "Start it.")

    with pytest.raises(Stopped):
        await wait_for_dependency(attempt, "A_URL=nats://bus", within=60, stop=stop)


def test_a_port_in_use_is_reported_with_advice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"^OPS_PORT={port}: cannot listen .*in use\).*choose another port\.$"):
            check_port("127.0.0.1", port, "OPS_PORT")
