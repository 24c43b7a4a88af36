# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false

import json
import re
import socket
from pathlib import Path

import nats
import pytest
from onebox.errors import CannotStart
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from runtime.bus.accounts import SERVICES_ACCOUNT

pytestmark = pytest.mark.usefixtures("servers")


async def test_messages_are_stored_in_a_stream(nats_server: EmbeddedNats) -> None:
    client = await nats.connect(nats_server.url)
    stream = client.jetstream(timeout=60)
    await stream.add_stream(name="events", subjects=["evt.>"])
    assert (await stream.publish("evt.made", b"event")).seq == 1
    await client.close()


async def test_streams_are_kept_across_a_restart(nats_server: EmbeddedNats) -> None:
    client = await nats.connect(nats_server.url)
    await client.jetstream(timeout=60).add_stream(name="events", subjects=["evt.>"])
    await client.close()
    nats_server.stop()
    client = await nats.connect(nats_server.start())
    assert (await client.jetstream(timeout=60).stream_info("events")).config.subjects == ["evt.>"]
    await client.close()


def test_a_client_without_the_password_is_rejected(nats_server: EmbeddedNats) -> None:
    host, _, port = nats_server.url.partition("@")[2].partition(":")
    with socket.create_connection((host, int(port))) as client, client.makefile() as answers:
        client.sendall(b"CONNECT {}\r\nPING\r\n")
        assert "Authorization Violation" in answers.read()


def test_streams_of_release_0_1_are_kept(folder: DataFolder) -> None:
    stored = folder.path / "nats" / "jetstream"
    (stored / "$G" / "streams" / "EVT_SESSION").mkdir(parents=True)
    server = EmbeddedNats(folder)
    assert (stored / SERVICES_ACCOUNT / "streams" / "EVT_SESSION").is_dir()
    server.stop()


class FastPing(EmbeddedNats):
    ping_seconds = 1


def test_a_client_that_hangs_is_disconnected(folder: DataFolder) -> None:
    server = FastPing(folder)
    server.start()
    try:
        user, password, port = re.findall(r"nats://(.*):(.*)@.*:(\d+)", server.url)[0]
        with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as hung, hung.makefile() as answers:
            hung.sendall(f"CONNECT {json.dumps({'user': user, 'pass': password, 'verbose': False})}\r\n".encode())
            assert "Stale Connection" in answers.read()
    finally:
        server.stop()


async def test_messages_of_several_megabytes_are_accepted(nats_server: EmbeddedNats) -> None:
    client = await nats.connect(nats_server.url)
    assert client.max_payload == 8 * 1024 * 1024
    await client.close()


def test_the_password_is_kept_across_restarts(folder: DataFolder) -> None:
    servers = EmbeddedNats(folder), EmbeddedNats(folder)
    first, second = (server.url.partition("@")[0] for server in servers)
    assert first == second
    for server in servers:
        server.stop()


def test_a_server_that_is_too_old_is_refused(folder: DataFolder, fake_program: Path) -> None:
    with pytest.raises(CannotStart, match=r"is nats-server 2\.10, but 2\.12 or later is required"):
        EmbeddedNats(folder, program=fake_program)


def test_a_program_that_does_not_run_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"does not run\. Reinstall nats-server, or set NATS_URL"):
        EmbeddedNats(folder, program=tmp_path / "none")
