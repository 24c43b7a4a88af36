import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process

import aiohttp
import pytest

from simulator.prompt import scripted
from simulator.script import Turn

PATIENCE = 20


async def start(**env: str) -> Process:
    command = (sys.executable, "-m", "simulator")
    return await asyncio.create_subprocess_exec(
        *command, env={"PYTHONUNBUFFERED": "1", **env}, stdout=PIPE, stderr=PIPE
    )


async def address(process: Process) -> str:
    assert process.stdout
    return (await process.stdout.readline()).decode().split()[3]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly_while_it_answers(stop: signal.Signals) -> None:
    process = await start(PORT="0")
    prompt = {"role": "user", "content": scripted("", Turn(text="abcd", stall=300))}
    body = {"model": "m", "stream": True, "messages": [prompt]}
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(await address(process)) as session:
        async with session.post("/v1/messages", json=body):
            process.send_signal(stop)
            _, complaints = await process.communicate()

    assert (process.returncode, complaints) == (0, b"")


async def test_a_wrong_setting_is_named() -> None:
    process = await start(PORT="far")
    _, complaints = await process.communicate()

    assert (process.returncode, b"port: Input should be a valid integer" in complaints) == (1, True)


async def test_a_port_in_use_is_named() -> None:
    first = await start(PORT="0")
    port = (await address(first)).rpartition(":")[2]
    second = await start(PORT=port)
    _, complaints = await second.communicate()
    first.terminate()
    await first.communicate()

    assert (second.returncode, port.encode() in complaints) == (1, True)
