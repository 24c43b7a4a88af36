"""What deploy/backup.sh leaves on the machine, whatever the container does, for which `docker` stands in here."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.architecture.house import ROOT

SAVES = """
folder=$(printf '%s' "$*" | sed 's/.*--volume \\(.*\\):.backups.*/\\1/')
for name in "$folder"/*; do stat -c '%a' "$name" "$folder" "$folder/.."; echo saved >"$name"; done
"""
FAILS = f"{SAVES}\nexit 3"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a folder with a space in its name."""
    (tmp_path / "my backups").mkdir()
    return tmp_path / "my backups" / "monday"


def save(file: Path, docker: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a `docker` that is a program of the shell."""
    program = file.parents[1] / "docker"
    program.write_text(f"#!/bin/sh\n{docker}")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}  # noqa: TID251
    command = ["sh", "deploy/backup.sh", "save", str(file)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_only_the_caller_can_read_a_backup(file: Path) -> None:
    assert save(file, SAVES).returncode == 0
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in file.parent.iterdir()}
    assert modes == {"monday": 0o600, "monday.keys": 0o600}
    assert file.read_text() == "saved\n"


def test_the_container_can_write_files_that_nobody_else_can_reach(file: Path) -> None:
    assert save(file, SAVES).stdout.split()[:6] == ["666", "755", "700"] * 2


def test_nothing_is_left_by_a_container_that_fails(file: Path) -> None:
    assert save(file, FAILS).returncode == 3
    assert [*file.parent.iterdir()] == []


@pytest.mark.parametrize("suffix", ["", ".keys"])
def test_no_file_is_replaced_by_a_backup(file: Path, suffix: str) -> None:
    existing = file.with_name(f"monday{suffix}")
    existing.write_text("of last week")
    done = save(file, SAVES)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{existing} exists" in done.stderr
    assert {entry.name: entry.read_text() for entry in file.parent.iterdir()} == {existing.name: "of last week"}
