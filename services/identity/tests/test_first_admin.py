"""Creation of the first administrator by replicas that start concurrently on an empty database."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from contracts.identity.login import LogIn
from runtime.bus import Bus, connected
from runtime.bus.envelope import Envelope


@asynccontextmanager
async def replicas(number: int, **environment: str) -> AsyncGenerator[list[Process]]:
    command = (sys.executable, "-P", "-m", "identity")
    started = [
        await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT)
        for _ in range(number)
    ]
    try:
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.communicate()


async def until_ready(process: Process) -> None:
    assert process.stdout
    while b'"ready"' not in (line := await process.stdout.readline()):
        assert line, "the process ended before it was ready"


@pytest.mark.parametrize("round_number", range(4))
async def test_replicas_that_start_concurrently_write_one_valid_password(
    round_number: int, database_url: str, nats_url: str, key_ring_file: Path, tmp_path: Path
) -> None:
    credentials = tmp_path / "admin.json"
    environment = {
        "DATABASE_URL": database_url,
        "NATS_URL": nats_url,
        "KEY_RING_FILE": str(key_ring_file),
        "FIRST_ADMIN_FILE": str(credentials),
    }
    async with replicas(3, **environment) as started, asyncio.timeout(90):
        await asyncio.gather(*map(until_ready, started))
        admin = json.loads(credentials.read_text())
        assert credentials.stat().st_mode & 0o777 == 0o600
        async with connected(nats_url, "test") as client:
            log_in = LogIn(email=admin["email"], password=admin["password"])
            assert await Bus(client, timeout=60).ask(log_in, Envelope.begin())
