"""Requests that a prestarted agent makes to the model before any session claims it, and that are answered right here.

Claude Code loads a part of what it needs for a request with its first one, and compiles what it does often; the first
turn then takes less.
"""

import asyncio
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from struct import pack
from typing import Any, cast

from runtime.logging import get_logger
from runtime.readable import wait_readable

from session.agent.client import Client

log = get_logger()

TITLE: dict[str, Any] = {"subtype": "generate_session_title", "description": "A rehearsal", "persist": False}
"""Makes Claude Code ask the model outside of any conversation, also while it waits; nothing of it remains."""
QUESTION: dict[str, Any] = {"subtype": "side_question", "question": "A rehearsal"}
"""Makes it ask as in a turn, with its system prompt and tools, outside of the conversation; nothing of it remains."""
QUESTIONS = 4
SECONDS = 30.0
"""As long as a start may take: on an overloaded machine, this takes seconds, too."""
MAX_BODY_BYTES = 2**20
LENGTH = re.compile(rb"content-length: (\d{1,7})\r", re.IGNORECASE)
USAGE = '"usage":{"input_tokens":0,"output_tokens":0}'
MESSAGE = f'"id":"msg_rehearsal","type":"message","role":"assistant","model":"none","content":[],{USAGE}'
EVENTS = (
    f'{{"type":"message_start","message":{{{MESSAGE}}}}}',
    '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"{}"}}',
    '{"type":"content_block_stop","index":0}',
    f'{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},{USAGE}}}',
    '{"type":"message_stop"}',
)
BODY = "".join(f"event: {event[9 : event.index('"', 9)]}\ndata: {event}\n\n" for event in EVENTS)
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
ANSWER = f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n{BODY}".encode()


async def rehearse(client: Client, listener: socket.socket, *, waits: bool = False) -> None:
    """Let an agent ask the model, and answer it at its `listener`, which the model proxy does not serve yet.

    One that still `waits` for its claim asks less. An agent that refuses to is as good as without it.

    Raises:
        TimeoutError: it may still be asking, so it cannot be used.
    """
    async with asyncio.TaskGroup() as tasks:
        answering = tasks.create_task(_answer_all(listener))
        finished = await _finishes(client, [TITLE] if waits else [QUESTION] * QUESTIONS)
        answering.cancel()
    if not finished:
        raise TimeoutError


async def _finishes(client: Client, requests: Sequence[dict[str, Any]]) -> bool:
    """Have the agent ask; return whether it is done within the time."""
    try:
        async with asyncio.timeout(SECONDS):
            for request in requests:
                await client.request(request, 2 * SECONDS)
    except TimeoutError:
        return False
    except Exception as error:  # noqa: BLE001  another release may not know the request
        log.info("agent made no request before its claim", error=repr(error))
    return True


async def _answer_all(listener: socket.socket) -> None:
    listener.setblocking(False)
    async with asyncio.TaskGroup() as answers:
        with suppress(OSError):  # then the agent gets no answer
            while True:
                answers.create_task(_answer_on(await _accept(listener)))


async def _accept(listener: socket.socket) -> socket.socket:
    # `sock_accept` would leave a connection open that arrives as it is cancelled, and does not wait for one that is
    # there: an agent that connects all the time would keep the event loop.
    await wait_readable(listener)
    connection, _ = listener.accept()
    connection.setblocking(False)
    return connection


async def _answer_on(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        # Nothing of the connection remains when it is closed, as it would for a minute otherwise.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        await _answer(connection)


async def _answer(connection: socket.socket) -> None:
    loop, received, expected = asyncio.get_running_loop(), b"", cast(int | None, None)
    while expected is None or len(received) < expected:
        if not (part := await loop.sock_recv(connection, 2**16)):
            return
        received += part
        if expected is None and (head := received.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(received)
            expected = head + 4 + int(length[1] if length else MAX_BODY_BYTES)
        if len(received) > MAX_BODY_BYTES or (expected or 0) > MAX_BODY_BYTES:
            return
    await loop.sock_sendall(connection, ANSWER)
    await loop.sock_recv(connection, 1)  # the agent closes it
