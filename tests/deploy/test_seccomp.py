"""The seccomp profile of containers with sandboxes: what any container may do, and what creates sandboxes."""

import json
from typing import Any

from sandbox.seccomp import DENIED, FAMILIES

from tests.architecture.house import ROOT

PROFILE: dict[str, Any] = json.loads((ROOT / "deploy/seccomp/session.json").read_text())
RULES: list[dict[str, Any]] = PROFILE["syscalls"]
ALLOWED = [rule for rule in RULES if rule["action"] == "SCMP_ACT_ALLOW"]
OPENED = {"mount", "pivot_root", "sethostname", "umount2", "unshare"}
"""What bubblewrap needs, and a container has not; `clone` has a condition."""
PLACED = {"sched_setaffinity"}
"""What the launcher of a sandbox needs, and any container has."""
NEW_NAMESPACES = 0x7E020000
"""The flags of all kinds of namespaces that bubblewrap creates: mount, cgroup, uts, ipc, user, pid and network."""
SIGCHLD, NEW_USER, NEW_MOUNT = 17, 0x10000000, 0x20000


def conditions(name: str) -> list[tuple[Any, ...]]:
    """Return the conditions under which a call is allowed: index of the argument, operation and values."""
    found = [rule.get("args", []) for rule in ALLOWED if name in rule["names"]]
    return [(arg["index"], arg["op"], arg["value"], arg.get("valueTwo")) for args in found for arg in args]


def test_what_the_profile_does_not_name_is_denied() -> None:
    assert (PROFILE["defaultAction"], PROFILE["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)


def test_the_profile_allows_what_sandboxes_allow_and_what_creates_them() -> None:
    allowed = {name for rule in ALLOWED for name in rule["names"]}
    assert allowed & {*DENIED, "sethostname", "setdomainname", "chroot", "clone3"} == OPENED | PLACED


def test_namespaces_are_created_only_as_sandboxes_do() -> None:
    assert conditions("clone") == [
        (0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES, 0),
        (0, "SCMP_CMP_EQ", NEW_NAMESPACES | SIGCHLD, None),
    ]
    assert {value for _, _, value, _ in conditions("unshare")} == {NEW_USER, NEW_USER | NEW_MOUNT}


def test_containers_have_the_socket_families_of_sandboxes() -> None:
    for name in ("socket", "socketpair"):
        assert conditions(name) == [(0, "SCMP_CMP_EQ", family, None) for family in FAMILIES.values()]


def test_the_profile_means_the_same_to_every_engine() -> None:
    """Conditions on capabilities and kernels are of Docker only: what others ignore, they allow."""
    assert {key for rule in RULES for key in rule} == {"action", "args", "comment", "errnoRet", "names"}
