import asyncio
import errno
import socket

import pytest
from runtime.starting import Away, CannotStart, Stopped, because, check_port, named, reach


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
    assert named("A_URL", url) == (f"A_URL={shown}" if shown else "A_URL")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "nothing answers (Connection refused)"),
        (socket.gaierror(-2, "Name or service not known"), "the host name is not known (Name or service not known)"),
        (TimeoutError(), "nothing answers in time"),
        (LookupError("the system is starting up"), "the system is starting up"),
        (LookupError("ws://me:secret@bus"), "LookupError"),
    ],
)
def test_why_a_connection_failed_is_said_in_a_few_words(error: Exception, reason: str) -> None:
    assert because(error) == reason


async def test_what_comes_up_late_is_waited_for() -> None:
    attempts: list[int] = []

    async def attempt() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise Away("nothing answers", "Start it.")

    await reach(attempt, "A_URL=nats://bus", within=60, stop=asyncio.Event(), pause=0)
    assert len(attempts) == 3


async def test_what_does_not_come_up_ends_the_wait_with_reason_and_advice() -> None:
    async def attempt() -> None:
        raise Away("nothing answers", "Start it.")

    with pytest.raises(CannotStart, match=r"^A_URL=nats://bus: nothing answers; waited 0 s\. Start it\.$"):
        await reach(attempt, "A_URL=nats://bus", within=0, stop=asyncio.Event())


async def test_a_wait_ends_when_the_process_is_asked_to_stop() -> None:
    stop = asyncio.Event()

    async def attempt() -> None:
        stop.set()
        raise Away("nothing answers", "Start it.")

    with pytest.raises(Stopped):
        await reach(attempt, "A_URL=nats://bus", within=60, stop=stop)


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"^OPS_PORT={port}: cannot listen .*in use\).*choose another one\.$"):
            check_port("127.0.0.1", port, "OPS_PORT")
