"""Sandboxes in the container of the session service: what they need of the engine, and that their walls hold there."""

import json
import subprocess
from collections.abc import Generator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from onebox.testing.system import until

from tests.adversarial.test_kernel import DENIED, EVERY_SETTING
from tests.architecture.house import ROOT
from tests.deploy.contained import (
    HARDENED,
    IN_SANDBOX,
    KILLED,
    PROFILE,
    READY_SECONDS,
    UNMASKED,
    Contained,
    Stores,
    profile_option,
)
from tests.deploy.docker import docker, image_of, program

pytestmark = pytest.mark.deploy
NAMESPACES = {"user": 0x10000000, "user and mount": 0x10020000, "all": 0x7E020000}
CREATE_NAMESPACES = f"""
NUMBERS["clone"] = (56, 220)
def clone(flags):
    pid = call("clone", flags | 17, 0, 0, 0, 0)
    return pid or os._exit(0)
print(json.dumps({{name: clone(flags) for name, flags in {NAMESPACES}.items()}}))
"""
REPORT = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9000/health/ready').read().decode())"
STATES = (
    "import glob; print([open(path).read().rpartition(')')[2].split()[0] for path in glob.glob('/proc/[0-9]*/stat')])"
)
PROBE = "import asyncio, sandbox; print(asyncio.run(sandbox.Sandbox.find()))"
# What fails without an opening. Without the user and mount namespace, sandboxes only lack the limits that it has.
FAILURES = {
    "clone": "No permissions to creat",
    "mount": "Failed to make / slave",
    "pivot_root": "pivot_root",
    "sethostname": "Can't set hostname",
    "umount2": "unmount old root",
    "unshare 0x10000000": "unshare user ns",
    "unshare 0x10020000": "unshare failed",
    "fsopen": "permission denied",
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stores]:
    """The stores of the services of this module."""
    with Stores(tmp_path_factory.mktemp("stores")) as stores:
        yield stores


@pytest.fixture(scope="module")
def attacker(stores: Stores) -> Generator[Contained]:
    """Start a session service that has what it needs, wait until it is ready, and attack it."""
    container = docker(*stores.service("--detach", profile_option(), UNMASKED))
    try:
        stores.wait_until_ready(container)
        yield Contained(container)
    finally:
        docker("rm", "--force", "--volumes", container)


def test_a_service_with_the_profile_is_ready_and_has_a_sandbox(attacker: Contained) -> None:
    report = json.loads(attacker.python(REPORT))
    assert report["checks"]["sandbox"] == "ok"


@pytest.mark.parametrize("options", [[], [UNMASKED], [profile_option()]], ids=["neither", "no profile", "masked /proc"])
def test_a_service_that_lacks_one_exits_with_reason_and_fix(stores: Stores, options: list[str]) -> None:
    command = [program("run"), *stores.service("--rm", *options)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    reason = ended.stderr.splitlines()[-1]
    assert ended.returncode == 69
    assert reason.startswith("session cannot start: SANDBOX_REQUIRED=true: programs cannot be confined here: bwrap: ")
    assert "deploy/seccomp/session.json and an unmasked /proc" in reason


def test_no_setting_of_the_kernel_can_be_written(attacker: Contained) -> None:
    assert attacker.run(EVERY_SETTING) == []


def test_mounts_and_system_calls_that_reach_others_are_denied(attacker: Contained) -> None:
    numbers = 'NUMBERS |= {"mount": (165, 40), "umount2": (166, 39), "setns": (308, 268), "pivot_root": (155, 41)}\n'
    tried = DENIED | {"mount": 'b"x", b"/tmp", b"tmpfs", 0, 0', "umount2": 'b"/proc", 2', "setns": "0, 0"}
    tried |= {"pivot_root": 'b"/tmp", b"/tmp"'}
    calls = ", ".join(f'"{name}": call("{name}", {arguments})' for name, arguments in tried.items())
    assert attacker.run(f"{numbers}print(json.dumps({{{calls}}}))") == dict.fromkeys(tried, "EPERM")


def test_no_namespace_can_be_created_in_a_sandbox(attacker: Contained) -> None:
    assert attacker.run(CREATE_NAMESPACES) == {"user": "EPERM", "user and mount": "EPERM", "all": "ENOSPC"}


def test_a_sandbox_has_no_network_and_sees_no_files_or_processes_of_others(attacker: Contained) -> None:
    look = "cut -d: -f1 /proc/net/dev | tail -n +3; ls /var/lib /run 2>&1 | grep -c 'No such'; "
    look += "grep -al SECRETS_[K]EYS /proc/*/environ /proc/*/cmdline; true"
    assert attacker.bash(f"({look}) | xargs") == "lo 2"


def test_what_engines_mask_is_hidden_in_a_sandbox(attacker: Contained) -> None:
    hidden = "acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list"
    assert attacker.bash(f"cd /proc; (find {hidden} -mindepth 1; cat {hidden}) 2>/dev/null | wc -c") == "0"


def test_a_killed_sandbox_leaves_no_defunct_process(attacker: Contained) -> None:
    attacker.python(IN_SANDBOX, KILLED, "")
    until(lambda: "Z" not in attacker.python(STATES), READY_SECONDS)


@pytest.mark.parametrize("opening", FAILURES)
def test_each_opening_of_the_profile_is_needed(tmp_path: Path, opening: str) -> None:
    changed = tmp_path / "profile.json"
    changed.write_text(json.dumps(without(opening)))
    assert FAILURES[opening] in probe("session", changed)


def test_a_registry_has_a_sandbox_with_the_same_profile() -> None:
    assert probe("mcp-registry", PROFILE).endswith(", None)")


def probe(service: str, profile: Path) -> str:
    """Look for a sandbox in the image of a service, and return what that prints."""
    options = ("--rm", "--network=none", profile_option(profile), UNMASKED, "--entrypoint=python")
    return docker("run", *HARDENED, *options, image_of(service), "-P", "-c", PROBE)


def without(opening: str) -> dict[str, Any]:
    """Return the profile without a rule for sandboxes."""
    profile = deepcopy(json.loads(PROFILE.read_text()))
    name, _, value = opening.partition(" ")
    for rule in profile["syscalls"]:
        values = {hex(arg["value"]) for arg in rule.get("args", [])}
        if name in rule["names"] and rule["comment"] != "Processes and threads, in no new namespace.":
            rule["names"] = [other for other in rule["names"] if other != name or (value and value not in values)]
    profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
    return profile
