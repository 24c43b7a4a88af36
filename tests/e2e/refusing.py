"""Starts that are refused, and servers that cause it: too old, or without what is needed."""

import asyncio
import json
import socket
import subprocess
import sysconfig
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from eventing.database.start import database_ready
from onebox.ports import ReservedPort
from onebox.testing.system import System, until
from runtime.bus.start import wait_for_bus
from runtime.starting import CannotStart

NATS = str(Path(sysconfig.get_path("scripts")) / "nats-server")
type Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def refusal_by_check(**environment: str) -> str:
    """Return why services refuse the servers in these settings: by what each of them checks before it starts."""
    with ThreadPoolExecutor(1) as thread:  # the test may have a loop that runs
        return thread.submit(lambda: asyncio.run(_refusal(environment))).result()


async def _refusal(environment: Mapping[str, str]) -> str:
    with pytest.raises(CannotStart) as refusal:
        await _wait(environment, float(environment.get("DEPENDENCY_WAIT_SECONDS", "30")), asyncio.Event())
    return str(refusal.value)


async def _wait(environment: Mapping[str, str], within: float, stop: asyncio.Event) -> None:
    if url := environment.get("DATABASE_URL"):
        await database_ready(url, None, "session", within=within, stop=stop)
    else:
        await wait_for_bus(environment["NATS_URL"], "session", within=within, stop=stop)


def refusal_by_start(**environment: str) -> str:
    """Start the whole system with these settings, which it has to refuse; return the line that says why."""
    with System({"DEPENDENCY_WAIT_SECONDS": "30", **environment}) as system:
        system.launch()
        assert system.wait() != 0
        assert "secret" not in system.output
        assert '{"' not in system.output
        assert "restart" not in system.output
        return system.output.rstrip("\n").rpartition("\n")[2]


@asynccontextmanager
async def _server(talk: Talk) -> AsyncGenerator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):  # it was hung up
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()  # not waited for: who still talks is left alone


@asynccontextmanager
async def old_postgres() -> AsyncGenerator[str]:
    """Greet as PostgreSQL 13 does; return the address."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await _message(reader))[:4] == (80877103).to_bytes(4):  # it asks for TLS
            writer.write(b"N")
        version = b"server_version\x0013.4\0"
        received = {b"R": bytes(4), b"S": version, b"K": bytes(8), b"Z": b"I"}
        writer.write(b"".join(kind + (len(body) + 4).to_bytes(4) + body for kind, body in received.items()))

    async with _server(talk) as port:
        yield f"postgresql://me:plantedsecret@127.0.0.1:{port}/app"


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)


@asynccontextmanager
async def old_nats() -> AsyncGenerator[str]:
    """Greet as nats-server 2.10 does; return the address."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "old", "version": "2.10.1", "headers": True, "max_payload": 8_388_608, "jetstream": True}
        writer.write(b"INFO %s\r\n" % json.dumps(info).encode())
        while b"PING" not in await reader.readuntil(b"\r\n"):
            pass
        writer.write(b"PONG\r\n")

    async with _server(talk) as port:
        yield f"nats://me:plantedsecret@127.0.0.1:{port}"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def nats_without_streams() -> Generator[str]:
    """Start a real server whose JetStream is not enabled; return the address."""
    with ReservedPort() as port:
        command = [NATS, "-a", "127.0.0.1", "-p", str(port.number), "--user", "me", "--pass", "plantedsecret"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            until(lambda: _listens(port.number))
            yield f"nats://me:plantedsecret@127.0.0.1:{port.number}"
            server.terminate()
