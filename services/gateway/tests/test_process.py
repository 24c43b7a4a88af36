"""`python -m gateway`: how it starts, and how it ends."""

import asyncio
import resource
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest
from contracts.session.run import GetRun, SubmitQuery

from services.gateway.tests import samples
from services.gateway.tests.stand_ins import Services
from services.gateway.tests.talking import talking
from services.gateway.tests.test_queries import BODY, QUERY

pytestmark = pytest.mark.usefixtures("servers")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def start(**environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "gateway", env=environment, stdout=PIPE, stderr=STDOUT
    )


@asynccontextmanager
async def running(url: str, port: int, **environment: str) -> AsyncGenerator[Process]:
    process = await start(NATS_URL=url, PORT=str(port), **environment)
    try:
        async with asyncio.timeout(20):
            assert process.stdout
            while b'"ready"' not in (line := await process.stdout.readline()):
                assert line, "it ended"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_port_in_use_is_one_plain_line(nats_url: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start(NATS_URL=nats_url, PORT=str(port))
        output, _ = await process.communicate()
    assert output.decode().startswith(f"gateway cannot start: PORT={port}: cannot listen on 127.0.0.1:{port} (Address")
    assert output.count(b"\n") == 1
    assert process.returncode == 69


async def test_a_wrong_setting_is_named():
    process = await start(PORT="many")
    output, _ = await process.communicate()
    assert b"PORT:" in output
    assert b"NATS_URL:" in output
    assert process.returncode == 2


async def test_it_ends_at_once_when_nothing_is_open(nats_url: str):
    async with running(nats_url, free_port()) as process, asyncio.timeout(5):
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    """Put a query, as soon as the gateway knows which tokens were revoked."""
    while (answer := await client.post(QUERY, json=BODY)).status_code == 503:  # noqa: ASYNC110  only it can tell
        await asyncio.sleep(0.02)
    return answer


async def test_an_open_query_is_answered_before_it_ends(nats_url: str, services: Services):
    port, submitted = free_port(), asyncio.Queue[SubmitQuery]()

    def submit(command: SubmitQuery) -> object:
        submitted.put_nowait(command)
        return samples.run(id=command.run_id, status="queued")

    await services.answer_with(SubmitQuery, submit)
    await services.answer_with(GetRun, lambda query: samples.run(id=query.run_id))
    headers = {"authorization": f"Bearer {services.token()}"}
    async with (
        running(nats_url, port) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client,
        asyncio.timeout(10),
        asyncio.TaskGroup() as tasks,
    ):
        asked = tasks.create_task(ask(client))
        command = await submitted.get()
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        await services.end_run(command.session_id, command.run_id)
        assert await process.wait() == 0
    assert asked.result().status_code == 200


async def test_no_token_of_a_socket_is_in_the_log(nats_url: str, services: Services):
    port, secret = free_port(), services.token()
    async with running(nats_url, port, LOG_LEVEL="debug") as process:
        async with talking(f"http://127.0.0.1:{port}", None, f"?token={secret}") as talk:
            await talk.closed()
        process.send_signal(signal.SIGTERM)
        assert process.stdout
        log = (await process.stdout.read()).decode()
    assert '"method": "WEBSOCKET"' in log
    assert secret not in log
    assert "token=" not in log


async def test_many_half_open_requests_lock_nobody_out(nats_url: str):
    port = free_port()
    async with running(nats_url, port) as process, AsyncExitStack() as stack:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (200, 200))
        for _ in range(250):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.push_async_callback(closed, writer)
            writer.write(b"GET /health/live HTTP/1.1\r\n")
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{port}/health/live")
        assert answer.status_code == 200


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
