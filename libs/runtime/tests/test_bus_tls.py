"""Connections to a NATS server with TLS, on both event loops: that of the services and that of other tests."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager

import pytest
import uvloop
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.testing.running import running
from runtime.bus import connected
from runtime.bus.start import wait_for_bus
from runtime.starting import CannotStart

from libs.runtime.tests.tls_nats import TlsNats

LOOPS = pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
PROGRAM = """
from runtime import process
from runtime.bus.start import wait_for_bus

class Settings(process.ProcessSettings):
    nats_url: str

async def main(settings, stop):
    await wait_for_bus(settings.nats_url, "test", within=settings.dependency_wait_seconds, stop=stop)

process.run("test", Settings, main)
"""
MEGABYTE = bytes(2**20)

type Loop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(scope="module")
def tls_server(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Generator[TlsNats]:
    folder = DataFolder(tmp_path_factory.mktemp("tls"))
    with running(folder, TlsNats(folder)) as server:
        yield server


@pytest.fixture
def trusted(tls_server: TlsNats, monkeypatch: pytest.MonkeyPatch) -> TlsNats:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_server.certificate))
    return tls_server


def run(loop: Loop, work: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work)


def start(url: str, within: float = 60) -> Coroutine[object, object, None]:
    return wait_for_bus(url, "test", within=within, stop=asyncio.Event())


async def exchange(url: str) -> None:
    async with connected(url, "test") as client:
        received = await client.subscribe("large")  # pyright: ignore[reportUnknownMemberType]
        for _ in range(8):
            await client.publish("large", MEGABYTE)
        assert [len((await received.next_msg(60)).data) for _ in range(8)] == [len(MEGABYTE)] * 8


@LOOPS
def test_large_messages_arrive_and_nothing_is_logged(loop: Loop, trusted: TlsNats, caplog: pytest.LogCaptureFixture):
    run(loop, start(trusted.tls_url))
    run(loop, exchange(trusted.tls_url))
    assert caplog.messages == []


@LOOPS
def test_an_untrusted_certificate_is_named_with_its_remedy(loop: Loop, tls_server: TlsNats):
    with pytest.raises(CannotStart, match=r"^NATS_URL=tls://127.*not trusted \(self-signed .*SSL_CERT_FILE"):
        run(loop, start(tls_server.tls_url))


@LOOPS
def test_a_certificate_for_another_host_is_named(loop: Loop, trusted: TlsNats):
    with pytest.raises(CannotStart, match=r"not trusted \(Hostname mismatch.*'localhost'\)\. .*a host that it names"):
        run(loop, start(trusted.tls_url.replace("127.0.0.1", "localhost")))


async def test_nothing_is_sent_to_a_server_that_does_not_require_tls(nats_server: EmbeddedNats):
    with pytest.raises(CannotStart, match="does not require TLS"):
        await start(nats_server.url.replace("nats://", "tls://"))


@asynccontextmanager
async def silent_server() -> AsyncGenerator[str]:
    """A server that asks for TLS and then says nothing."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"tls_required": true}\r\n')
        while await reader.read(1024):
            pass
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_process_exits_with_one_line_if_the_certificate_is_untrusted(tls_server: TlsNats):
    process = await program(tls_server.tls_url)
    output = (await process.communicate())[0].decode()
    assert (process.returncode, output.count("\n")) == (69, 1)
    assert output.startswith("test cannot start: NATS_URL=tls://127.0.0.1")


async def test_a_process_that_waits_for_a_handshake_obeys_sigterm():
    async with silent_server() as url:
        process = await program(url)
        assert process.stdout
        assert "handshake is taking longer" in json.loads(await process.stdout.readline())["reason"]
        process.send_signal(signal.SIGTERM)
        assert b"stopped during startup" in (await process.communicate())[0]
    assert process.returncode == 0


async def program(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", PROGRAM, env={"NATS_URL": url}, stdout=PIPE, stderr=STDOUT
    )
