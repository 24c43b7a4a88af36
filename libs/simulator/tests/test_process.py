import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from simulator.prompt import scripted
from simulator.script import Turn

pytestmark = pytest.mark.usefixtures("servers")
TIMEOUT_SECONDS = 60


@asynccontextmanager
async def simulator(port: str) -> AsyncGenerator[Process]:
    env = {"PYTHONUNBUFFERED": "1", "PORT": port}
    command = (sys.executable, "-m", "simulator")
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def address(process: Process) -> str:
    assert process.stdout
    return (await process.stdout.readline()).decode().split()[3]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_simulator_cleanly_during_a_response(stop: signal.Signals) -> None:
    prompt = {"role": "user", "content": scripted("", Turn(text="abcd", stall=300))}
    body = {"model": "m", "stream": True, "messages": [prompt]}
    async with simulator("0") as process, aiohttp.ClientSession(await address(process)) as session:
        await session.post("/v1/messages", json=body)
        process.send_signal(stop)
        _, errors = await process.communicate()

    assert (process.returncode, errors) == (0, b"")


async def test_an_invalid_script_is_logged() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": '[[simulate {"turns": [{"txt": "Hi."}]}]]'}]}
    async with simulator("0") as process, aiohttp.ClientSession(await address(process)) as session:
        async with session.post("/v1/messages", json=body) as answer:
            assert answer.status == 400
        process.terminate()
        _, errors = await process.communicate()

    assert errors == b"invalid script: turns.0.txt: unknown field\n"


async def test_an_invalid_setting_is_named() -> None:
    async with simulator("far") as process:
        _, errors = await process.communicate()

    assert (process.returncode, b"port: must be a valid integer" in errors) == (1, True)


async def test_a_port_in_use_is_named() -> None:
    async with simulator("0") as first:
        port = (await address(first)).rpartition(":")[2]
        async with simulator(port) as second:
            _, errors = await second.communicate()

    assert (second.returncode, port.encode() in errors, errors.count(b"\n")) == (1, True, 1)
