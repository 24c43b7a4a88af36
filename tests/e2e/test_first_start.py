"""The first start by root, on a machine without Pango, is a start like any other."""

import os
import shlex
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from onebox.pango import BY_HAND, LIBRARIES
from onebox.testing.system import System, until

from tests.e2e.user import User, newcomer

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

HIDE = """
mount --make-rshared / && for library in {libraries}; do mount --bind /dev/null "$library"; done
exec "$@"
"""
"""Starts a program without the libraries; what is mounted below it later, its own views of the files have, too."""
HANGS, FAILS = "exec sleep 600", "echo 'E: no network' >&2; exit 100"
WORKS = 'case "$*" in *--no-download*) umount {libraries};; esac'


@pytest.fixture
def libraries() -> str:
    """The files of Pango, quoted for a shell."""
    if os.geteuid() != 0:
        pytest.skip("only root can hide Pango, and only root installs it")
    found = [file.resolve() for name in LIBRARIES for file in Path("/usr/lib").rglob(f"lib{name}.so.0")]
    assert len(found) >= len(LIBRARIES), f"Pango is missing: {BY_HAND}"
    return shlex.join(map(str, found))


@pytest.fixture
def apt_get(tmp_path: Path) -> Path:
    """The file of a program that replaces apt-get."""
    return tmp_path / "apt-get"


@pytest.fixture
def stranger(libraries: str, apt_get: Path, servers: None) -> Generator[System]:
    """A system without a data folder, and without Pango."""
    script = HIDE.format(libraries=libraries)
    command = ["unshare", "--mount", "sh", "-euc", script, "sh", sys.executable, "-m", "onebox"]
    with System({"PATH": f"{apt_get.parent}:{os.environ['PATH']}"}, command, prepared=False) as system:  # noqa: TID251
        yield system


def start(system: System, apt_get: Path, script: str) -> None:
    """Start the system on a machine whose apt-get does what the script says."""
    apt_get.write_text(f"#!/bin/sh\n{script}\n")
    apt_get.chmod(0o755)
    system.start()


def status_of_pdf(user: User) -> int:
    """Return how a request for a report as PDF is answered."""
    body = {"session_id": user.create(), "format": "pdf"}
    return user.http.post("/reports", json=body, headers={"prefer": "respond-async"}).status_code


def test_a_first_start_without_pango_succeeds_whatever_apt_get_does(
    stranger: System, apt_get: Path, libraries: str
) -> None:
    start(stranger, apt_get, HANGS)
    assert f"not as PDF until Pango is installed. On Debian or Ubuntu: {BY_HAND}" in stranger.output
    assert stranger.stop() == 0

    start(stranger, apt_get, FAILS)
    until(lambda: "Pango could not be installed (E: no network). By hand: apt-get install" in stranger.output)
    for user in newcomer(stranger):
        assert status_of_pdf(user) == 422
    assert stranger.stop() == 0

    start(stranger, apt_get, WORKS.format(libraries=libraries))
    until(lambda: "Pango is installed: reports are available as PDF." in stranger.output)
    for user in newcomer(stranger):
        until(lambda: status_of_pdf(user) == 202)  # noqa: B023  called at once
