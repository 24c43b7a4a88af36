"""The keys that encrypt secrets of users can be rotated while the system runs; `sweep` shows that all are encrypted."""

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from onebox.children import allowed_environment
from onebox.testing.system import System

from tests.e2e.stored import database_url
from tests.e2e.user import User

pytestmark = pytest.mark.long

SERVICES = ("session", "task_scheduler", "mcp_registry", "webhook")


def rotate(system: System) -> list[str]:
    """Run the command for all services with secrets, and return what it reports."""
    settings = {"DATABASE_URL": database_url(system), "SECRETS_KEY_FILE": str(ring_of(system))}
    commands = [[sys.executable, "-m", "eventing", "rotate-keys", service] for service in SERVICES]
    return [
        subprocess.run(command, env=allowed_environment() | settings, capture_output=True, text=True, check=True).stdout
        for command in commands
    ]


def ring_of(system: System) -> Path:
    return system.data_dir / "keys" / "secrets.json"


def replace_ring(system: System, keys: list[dict[str, str]]) -> None:
    ring, new = ring_of(system), ring_of(system).with_suffix(".new")
    new.write_text(json.dumps({"keys": keys}))
    os.chown(new, ring.stat().st_uid, ring.stat().st_gid)
    new.chmod(0o600)
    new.rename(ring)


@pytest.fixture
def old_keys(spare_system: System) -> list[dict[str, str]]:
    """Provide the keys of a running system."""
    return json.loads(ring_of(spare_system).read_text())["keys"]


def test_master_keys_are_rotated_while_the_system_runs(
    spare_user: User, spare_system: System, old_keys: list[dict[str, str]]
) -> None:
    before = spare_user.create("Bash", env={"TOKEN": "plantedsecret"})
    new = {"id": "new", "key": base64.b64encode(secrets.token_bytes(32)).decode()}
    replace_ring(spare_system, [new, *old_keys])
    during = spare_user.create("Bash", env={"TOKEN": "plantedsecret-2"})
    assert all("data keys by master key: " in report for report in rotate(spare_system))
    replace_ring(spare_system, [new])
    assert rotate(spare_system)[0].startswith("0 data keys wrapped again; data keys by master key: new: ")
    spare_system.restart()
    assert [spare_user.bash(id, "echo ${#TOKEN}${TOKEN:7:1}") for id in (before, during)] == ["13s", "15s"]


def test_a_missing_master_key_stops_the_start_with_a_clear_error(
    spare_user: User, spare_system: System, old_keys: list[dict[str, str]]
) -> None:
    spare_user.create(env={"TOKEN": "plantedsecret"})
    replace_ring(spare_system, [{"id": "other", "key": base64.b64encode(bytes(32)).decode()}])
    spare_system.stop()
    try:
        spare_system.launch()
        assert spare_system.wait() != 0
        assert f"stored secrets need the master key '{old_keys[0]['id']}'" in spare_system.output
    finally:
        replace_ring(spare_system, old_keys)
        spare_system.start()
