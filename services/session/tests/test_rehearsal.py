"""The request that a prestarted agent makes before any session claims it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, suppress
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from session.agent import Limits, rehearsal
from session.agent.rehearsal import ANSWER, QUESTIONS, rehearse

from services.session.tests.replica import NewReplica
from services.session.tests.test_spares import fill


@pytest.fixture
def listener() -> Generator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


type Send = Callable[..., Awaitable[object]]


def client(send: Send) -> Any:
    """Return a client of the SDK that sends control requests so."""
    return Mock(request=send)


async def answer_to(listener: socket.socket, *sent: bytes) -> bytes:
    """Return what the agent is answered."""
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    with closing(writer), suppress(ConnectionResetError):
        writer.writelines(sent)
        return await reader.readexactly(len(ANSWER))
    return b""


@pytest.mark.claude_code
@pytest.mark.parametrize(("options", "number"), [({}, QUESTIONS), ({"system_prompt": "You are a boat."}, 1)])
async def test_an_agent_asks_and_takes_the_answers(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], number: int
) -> None:
    answer = AsyncMock(side_effect=rehearsal._answer)  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(rehearsal, "_answer", lambda *streams: answer(*streams))  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica, **options)
        assert (answer.await_count, spare.ready) == (number, True)


@pytest.mark.parametrize("body", [b"{}", b"a" * 2**19], ids=["small", "large"])
async def test_a_request_is_answered(listener: socket.socket, body: bytes) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)

    answered = list[bytes]()

    async def ask(*_: object) -> None:
        answered.append(await answer_to(listener, head, body))

    await rehearse(client(ask), listener, waits=True)
    assert answered == [ANSWER]


async def test_a_connection_without_a_request_delays_no_other(listener: socket.socket) -> None:
    answered = list[bytes]()

    async def ask(*_: object) -> None:
        idle = (await asyncio.open_connection(*listener.getsockname()))[1]
        with closing(idle):
            answered.append(await answer_to(listener, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"))

    await rehearse(client(ask), listener, waits=True)
    assert answered == [ANSWER]


@pytest.mark.parametrize("passes", range(5))
async def test_a_connection_at_the_end_of_a_rehearsal_is_closed(listener: socket.socket, passes: int) -> None:
    with socket.socket() as connection:

        async def ask(*_: object) -> None:
            await asyncio.sleep(0.01)  # until connections are awaited
            connection.connect(listener.getsockname())
            for _pass in range(passes):
                await asyncio.sleep(0)

        await rehearse(client(ask), listener, waits=True)
        listener.close()
        connection.settimeout(60)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


HEAD = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD + b"content-length: 9999999\r\n\r\n"], ids=["no", "much"])
async def test_nothing_else_is_answered(listener: socket.socket, head: bytes) -> None:
    answered = list[bytes]()

    async def ask(*_: object) -> None:
        answered.append(await answer_to(listener, head))

    await rehearse(client(ask), listener, waits=True)
    assert answered == [b""]


async def test_an_agent_that_refuses_to_ask_can_be_used(listener: socket.socket) -> None:
    await rehearse(client(AsyncMock(side_effect=Exception("unknown subtype"))), listener)


async def test_an_agent_that_does_not_finish_is_not_used(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", 0.0)
    with pytest.raises(TimeoutError):
        await rehearse(client(lambda *_: asyncio.sleep(60)), listener)
