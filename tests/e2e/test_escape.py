"""A hostile agent, with Bash, on a real system: what it must not get, it does not get."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from onebox.testing.system import System
from simulator.testing import DONE, calling, scripted

from tests.e2e.user import User


@pytest.fixture(scope="module")
def agent(shared_user: User) -> str:
    """A session whose agent follows a script."""
    return shared_user.create()


def test_no_environment_or_readable_file_holds_a_secret(shared_user: User, agent: str, system: System) -> None:
    folder, secrets = str(system.data_dir), secrets_of(system)
    seen = shared_user.bash(agent, "env; cat /proc/*/environ | tr '\\0' '\\n'")
    assert "HOME=" in seen
    assert not [secret for secret in (*secrets, folder) if secret in seen]
    reads = f"cat /etc/shadow {folder}/keys/*.json; ls -la / /root /home; cat /proc/*/cmdline"
    seen = shared_user.bash(agent, f"{reads}; echo; ls {folder} || echo unreachable")
    assert seen.endswith("unreachable")
    assert not re.search(r"^root:", seen, re.MULTILINE)
    shown = seen.replace(folder, "")
    assert not [secret for secret in (*secrets, '"keys"', "first-admin") if secret in shown]


def test_an_agent_cannot_see_another_workspace(shared_user: User, agent: str, stranger: User, system: System) -> None:
    other = stranger.create()
    stranger.http.put(f"/sessions/{other}/workspace/secret.txt", content=b"treasure\n").raise_for_status()
    workspace = system.data_dir / "workspaces" / other
    assert (workspace / "secret.txt").read_text() == "treasure\n"
    assert "treasure" not in shared_user.bash(
        agent, f"cat {workspace}/secret.txt; cat /workspace/../*/secret.txt; find / -name secret.txt"
    )


def test_an_agent_reaches_no_port_of_the_system(shared_user: User, agent: str, system: System) -> None:
    ports = listening()
    assert urlsplit(system.base_url).port in ports
    dial = "; ".join(f"(echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo reached {port}" for port in ports)
    own, *tried = shared_user.bash(agent, f"echo ${{ANTHROPIC_BASE_URL##*:}}; {dial}; echo tried").splitlines()
    # The agent's own port, of the model proxy, may have the number of one outside.
    assert [line for line in tried if line != f"reached {own}"] == ["tried"]


def test_file_tools_are_confined_like_bash(shared_user: User, agent: str, system: System) -> None:
    rings = [system.data_dir / "keys" / name for name in ("ring.json", "secrets.json")]
    assert {ring.stat().st_mode & 0o777 for ring in rings} == {0o600}
    reads = [calling(("Read", {"file_path": str(ring)})) for ring in rings]
    shared_user.ask(agent, scripted(*reads, DONE)).raise_for_status()
    calls = shared_user.items(f"/sessions/{agent}/tool-calls")[-2:]
    assert [call["status"] for call in calls] == ["error"] * 2
    assert '"keys"' not in str(calls)


def secrets_of(system: System) -> list[str]:
    """Return what must never be visible inside: passwords, and the addresses of the bus and the database."""
    nats = (system.data_dir / "nats" / "password").read_text().strip()
    ring = json.loads((system.data_dir / "keys" / "secrets.json").read_text())
    return [nats, system.admin_password, ring["keys"][0]["key"], "DATABASE_URL", "NATS_URL", "SECRETS_KEY"]


def listening() -> list[int]:
    """Return the ports of this machine that something listens on."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"})
