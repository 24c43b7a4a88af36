"""Secrets of users are stored encrypted only, and their keys can be rotated while the system runs."""

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from onebox.children import allowed_environment
from onebox.testing.planted import planted
from onebox.testing.system import System
from simulator.testing import scripted

from tests.e2e.stored import copies, database_url, files, holders
from tests.e2e.tasks import UserTask, fire
from tests.e2e.user import User

SERVICES = ("session", "task_scheduler", "mcp_registry")


def plant(user: User, label: str) -> list[str]:
    """Use secrets everywhere they can be used; return them. `label` is stored with them, and is no secret."""
    values = [planted(secrets.token_hex(24)) for _ in range(3)]
    session_id = user.create(env={"TOKEN": values[0]})
    user.http.patch(f"/sessions/{session_id}", json={"name": label, "sdk_options": {"env": {"TOKEN": values[1]}}})
    user.ask(session_id, scripted({"text": "Hello."})).raise_for_status()
    user.http.post(f"/sessions/{session_id}/fork", json={"name": label}).raise_for_status()
    task = UserTask.create(user, sdk_options={"env": {"TOKEN": values[2]}})
    trigger = task.post("triggers", {"name": label}).raise_for_status().json()
    rotated = task.post(f"triggers/{trigger['id']}/rotate").raise_for_status().json()
    answer = fire(rotated, {}, secret=rotated["secret"])
    assert task.ended(answer.json()["execution_id"])["status"] == "completed"
    return [*values, *(each["secret"].removeprefix("whsec_") for each in (trigger, rotated))]


def plant_in_servers(user: User, system: System, label: str) -> list[str]:
    """Use secrets in MCP servers: in headers, and in the environment of a program that writes it to its log."""
    values = [planted(secrets.token_hex(24)) for _ in range(3)]
    remote = {"name": label, "server_type": "HTTP", "url": "http://127.0.0.1:1", "headers": {"X-Key": values[0]}}
    server = user.http.post("/mcp-servers", json=remote).raise_for_status().json()
    user.http.patch(f"/mcp-servers/{server['id']}", json={"headers": {"X-Key": values[1]}}).raise_for_status()
    admin = User(system.base_url)
    with admin.http:
        admin.log_in(system.admin_email, system.admin_password)
        program = {
            "name": label,
            "server_type": "STDIO",
            "command": "sh",
            "args": ["-c", "echo $TOKEN | tee /dev/stderr"],
        }
        server = admin.http.post("/mcp-servers", json=program | {"env": {"TOKEN": values[2]}}).raise_for_status().json()
        checked = admin.http.post(f"/mcp-servers/{server['id']}/check").raise_for_status().json()
    assert checked["health"] == "unhealthy"
    return values


def test_no_secret_is_stored_in_clear(user: User, system: System) -> None:
    label = secrets.token_hex(24)
    values = plant(user, label) + plant_in_servers(user, system, label)
    tables = copies(system)
    expected = {"session.sessions", "session.events", "task_scheduler.events", "mcp_registry.servers"}
    assert expected <= {*holders(tables, [label])}
    assert holders(tables, values) == []


def test_no_file_of_the_system_holds_a_secret_in_clear(user: User, system: System) -> None:
    label = secrets.token_hex(24)
    values = plant(user, label) + plant_in_servers(user, system, label)
    stored = dict(files(system))
    folders = {name.partition("/")[0] for name in holders(stored, [label])}
    assert {"postgres", "nats"} <= folders
    assert holders(stored, values) == []


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
