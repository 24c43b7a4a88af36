"""Start and shutdown of `python -m gateway`."""

import asyncio
import resource
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest
from contracts.session.run import GetRun, SubmitQuery
from contracts.session.session import GetSession
from onebox.ports import ReservedPort
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.test_queries import BODY, QUERY
from services.gateway.tests.websocket_client import open_websocket

pytestmark = pytest.mark.usefixtures("servers")


@pytest.fixture
def port() -> Generator[int]:
    """A port that nothing else gets until the gateway listens on it."""
    with ReservedPort() as reserved:
        yield reserved.number


@pytest.fixture
def ops_port() -> Generator[int]:
    """Another one, for its probes."""
    with ReservedPort() as reserved:
        yield reserved.number


async def start(*program: str, **environment: str) -> Process:
    command = program or ("-m", "gateway")
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", *command, env=environment, stdout=PIPE, stderr=STDOUT
    )


@asynccontextmanager
async def running(url: str, port: int, *program: str, **environment: str) -> AsyncGenerator[Process]:
    process = await start(*program, **({"NATS_URL": url, "PORT": str(port), "RATE_LIMITS": "none"} | environment))
    try:
        async with asyncio.timeout(60):
            assert process.stdout
            while b'"ready"' not in (line := await process.stdout.readline()):
                assert line, "the process ended before it was ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_port_in_use_is_one_plain_line_of_output(nats_url: str):
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        process = await start(NATS_URL=nats_url, PORT=str(port))
        output, _ = await process.communicate()
    assert output.decode().startswith(f"gateway cannot start: PORT={port}: cannot listen on 127.0.0.1:{port} (Address")
    assert output.count(b"\n") == 1
    assert process.returncode == 69


async def test_the_error_of_an_invalid_setting_names_it():
    process = await start(PORT="many")
    output, _ = await process.communicate()
    assert b"PORT:" in output
    assert b"NATS_URL:" in output
    assert process.returncode == 2


async def test_the_port_of_probes_must_be_another_one(nats_url: str):
    process = await start(NATS_URL=nats_url, PORT="8000", OPS_PORT="8000")
    output, _ = await process.communicate()
    assert (process.returncode, b"PORT: must not be the same as OPS_PORT" in output) == (2, True)


async def test_the_port_of_probes_serves_any_host_name(nats_url: str, port: int, ops_port: int):
    async with (
        running(nats_url, port, OPS_PORT=str(ops_port)),
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{ops_port}", headers={"host": "gateway:9090"}, timeout=60
        ) as probe,
    ):
        answers = [await probe.get(path) for path in ("/health/live", "/metrics", "/health/services")]
    assert [answer.status_code for answer in answers] == [200, 200, 503]
    assert "api_requests_total" in answers[1].text
    assert answers[2].json()["checks"]["session"] == "the service does not reply"


async def test_requests_are_served_for_some_time_after_it_is_no_longer_ready(
    nats_url: str, port: int, ops_port: int, services: FakeServices
):
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    delayed = {"OPS_PORT": str(ops_port), "DRAIN_DELAY_SECONDS": "3600"}
    async with (
        running(nats_url, port, **delayed) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ops_port}", timeout=60) as probe,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        asyncio.timeout(60),
    ):
        await eventually(lambda: status_of(probe, 200))
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: status_of(probe, 503))
        assert (await client.get("/health")).status_code == 200
        async with open_websocket(f"http://127.0.0.1:{port}", services.token()) as socket_client:
            assert (await socket_client.next())[0] == "connected"
            assert await socket_client.send("ping") == ("pong", {})


async def status_of(probe: httpx.AsyncClient, status: int) -> bool:
    return (await probe.get("/health/ready")).status_code == status


@pytest.mark.parametrize("delay", ["0", "0.1"])
async def test_it_shuts_down_after_the_delay_when_idle(nats_url: str, port: int, delay: str):
    async with running(nats_url, port, LOG_LEVEL="debug", DRAIN_DELAY_SECONDS=delay) as process, asyncio.timeout(60):
        process.send_signal(signal.SIGTERM)
        assert process.stdout
        log = (await process.stdout.read()).decode()
        assert await process.wait() == 0
    assert '"draining"' in log
    assert "Waiting for" not in log  # the server would say so, and wait for 10 s at most


async def query_when_ready(client: httpx.AsyncClient) -> httpx.Response:
    """Send a query, as soon as the gateway knows the revoked tokens."""
    while (response := await client.post(QUERY, json=BODY)).status_code == 503:  # noqa: ASYNC110  no event for it
        await asyncio.sleep(0.02)
    return response


async def test_a_pending_query_is_answered_before_the_shutdown(nats_url: str, port: int, services: FakeServices):
    submitted = asyncio.Queue[SubmitQuery]()

    def submit(command: SubmitQuery) -> object:
        submitted.put_nowait(command)
        return samples.run(id=command.run_id, status="queued")

    await services.answer_with(SubmitQuery, submit)
    await services.answer_with(GetRun, lambda query: samples.run(id=query.run_id))
    headers = {"authorization": f"Bearer {services.token()}"}
    async with (
        running(nats_url, port) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client,
        asyncio.timeout(60),
        asyncio.TaskGroup() as tasks,
    ):
        query = tasks.create_task(query_when_ready(client))
        command = await submitted.get()
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        await services.end_run(command.session_id, command.run_id)
        assert await process.wait() == 0
    assert query.result().status_code == 200


async def test_the_token_of_a_websocket_is_not_logged(nats_url: str, port: int, services: FakeServices):
    secret = services.token()
    async with running(nats_url, port, LOG_LEVEL="debug") as process:
        async with open_websocket(f"http://127.0.0.1:{port}", None, f"?token={secret}") as socket_client:
            await socket_client.wait_closed()
        process.send_signal(signal.SIGTERM)
        assert process.stdout
        log = (await process.stdout.read()).decode()
    assert '"method": "WEBSOCKET"' in log
    assert secret not in log
    assert "token=" not in log


async def test_half_open_requests_do_not_block_other_clients(nats_url: str, port: int):
    async with running(nats_url, port) as process, AsyncExitStack() as stack:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (200, 200))
        for _ in range(250):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.push_async_callback(closed, writer)
            writer.write(b"GET /health/live HTTP/1.1\r\n")
        async with httpx.AsyncClient(timeout=60) as client:
            response = await client.get(f"http://127.0.0.1:{port}/health/live")
        assert response.status_code == 200


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
