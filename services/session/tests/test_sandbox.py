"""What an agent that tries cannot get out of its sandbox."""

import socket
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from session.sandbox import Sandbox

from services.session.tests.conftest import PROVIDER_KEY, NewReplica, Replica

SECRET = "canary-that-no-agent-may-see"


@pytest.fixture(autouse=True)
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put secrets where a service has them."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", SECRET)
    for folder in ("data", "workspaces/another"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "secret").write_text(SECRET)


@pytest.fixture
def port() -> Generator[int]:
    """Serve a port of this machine, as the database does."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "command",
    [
        "env",
        "cat /proc/*/environ | tr '\\0' '\\n'",
        "cat /proc/*/cmdline | tr '\\0' ' '",
        "cat {data}/secret",
        "cat {data}/../workspaces/another/secret",
        "cat /workspace/../another/secret",
        "ln -s {data}/secret link; cat link",
        "cat /proc/1/root{data}/secret",
        "find / -name secret -exec cat {{}} + 2>/dev/null",
    ],
)
async def test_no_secret_is_found(replica: Replica, tmp_path: Path, command: str) -> None:
    output = await replica.bash(command.format(data=tmp_path / "data"))
    assert SECRET not in output
    assert PROVIDER_KEY not in output


@pytest.mark.parametrize(
    "command",
    [
        "cat /etc/shadow",
        "ls /root",
        "touch /usr/made",
        "touch /etc/made",
        "mount -t tmpfs none /usr",
        "unshare --user --map-root-user true",
        "nsenter --target 1 --all true",
        "(exec 3<>/dev/tcp/127.0.0.1/{port})",
        "(exec 3<>/dev/tcp/{address}/{port})",
        "kill -9 {pid}",
    ],
)
async def test_what_must_not_work_fails(replica: Replica, port: int, command: str) -> None: ...
