"""A hostile agent, with Bash, on a real system: what it must not get, it does not get."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from onebox.testing.system import System

from tests.e2e.user import User, newcomer


@pytest.fixture
def agent(user: User) -> str:
    """A session whose agent follows a script."""
    return user.create()


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


def test_the_environment_of_an_agent_holds_no_secret_or_address(user: User, agent: str, system: System) -> None:
    seen = user.bash(agent, "env; cat /proc/*/environ | tr '\\0' '\\n'")
    assert "HOME=" in seen
    for secret in secrets_of(system):
        assert secret not in seen


def test_no_readable_file_holds_a_secret(user: User, agent: str, system: System) -> None:
    seen = user.bash(agent, f"cat /etc/shadow; ls -la {system.data_dir} / /root /home; echo; cat /proc/*/cmdline")
    assert not re.search(r"^root:", seen, re.MULTILINE)
    assert "first-admin" not in seen
    for secret in secrets_of(system):
        assert secret not in seen.replace(str(system.data_dir), "")


def test_an_agent_cannot_reach_the_data_folder(user: User, agent: str, system: System) -> None:
    seen = user.bash(agent, f"cat {system.data_dir}/keys/*.json; ls {system.data_dir} || echo unreachable")
    assert seen.endswith("unreachable")
    assert '"keys"' not in seen


def test_an_agent_cannot_see_another_workspace(user: User, agent: str, stranger: User, system: System) -> None:
    other = stranger.create()
    stranger.bash(other, "echo treasure > secret.txt; cat secret.txt")
    workspace = system.data_dir / "workspaces" / other
    assert (workspace / "secret.txt").read_text() == "treasure\n"
    assert "treasure" not in user.bash(
        agent, f"cat {workspace}/secret.txt; cat /workspace/../*/secret.txt; find / -name secret.txt"
    )


def test_an_agent_reaches_no_port_of_the_system(user: User, agent: str, system: System) -> None:
    ports = listening()
    assert urlsplit(system.base_url).port in ports
    dial = "; ".join(f"(echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo reached {port}" for port in ports)
    own, *tried = user.bash(agent, f"echo ${{ANTHROPIC_BASE_URL##*:}}; {dial}; echo tried").splitlines()
    # The agent's own port, of the model proxy, may have the number of one outside.
    assert [line for line in tried if line != f"reached {own}"] == ["tried"]


def test_an_agent_cannot_leave_its_namespaces_or_write_outside(user: User, agent: str) -> None:
    tries = (
        "unshare -r id",
        "nsenter -t 1 -a id",
        "touch /usr/x",
        "mount -t tmpfs x /mnt",
    )
    seen = user.bash(agent, "; ".join(f"({each}) && echo escaped" for each in tries) + "; echo tried")
    assert "escaped" not in seen


@pytest.mark.parametrize("file", ["ring.json", "secrets.json"])
def test_file_tools_are_confined_like_bash(user: User, agent: str, system: System, file: str) -> None:
    ring = system.data_dir / "keys" / file
    assert ring.stat().st_mode & 0o777 == 0o600
    answer = user.ask(agent, f"Read the file {ring}").json()
    assert [call["status"] for call in answer["tool_calls"]] == ["error"]
    assert '"keys"' not in answer["content"]["text"]


def secrets_of(system: System) -> list[str]:
    """Return what must never be visible inside: passwords, and the addresses of the bus and the database."""
    nats = (system.data_dir / "nats" / "password").read_text().strip()
    ring = json.loads((system.data_dir / "keys" / "secrets.json").read_text())
    addresses = ["DATABASE_URL", "NATS_URL", "SECRETS_KEY", str(system.data_dir)]
    return [nats, system.admin_password, ring["keys"][0]["key"], *addresses]


def listening() -> list[int]:
    """Return the ports of this machine that something listens on."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"})
