import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "libs" / "onebox" / "environment.sh"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine's folder of programs: next to nothing, and a Python that brings nothing."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "rm", "tail"):
        (programs / name).symlink_to(shutil.which(name) or name)
    install(programs / "python3", 'echo "No module named $2" >&2; exit 1')
    return programs


def install(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def run(machine: Path) -> subprocess.CompletedProcess[str]:
    command = [str(machine / "sh"), str(SCRIPT)]
    place, told = machine.parent, {"PATH": str(machine)}
    return subprocess.run(command, cwd=place, env=told, capture_output=True, text=True, check=False)  # noqa: S603


def test_help_lists_the_targets() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert {"run", "demo", "help"} <= {line.split()[1] for line in shown.splitlines()}


def test_without_any_way_to_uv_it_says_what_was_tried_and_what_to_install(machine: Path) -> None:
    done = run(machine)
    assert done.returncode == 1
    assert "No module named venv\nNo module named pip" in done.stderr
    assert "Install uv" in done.stderr


def test_without_a_fitting_python_it_says_which_were_found(machine: Path) -> None:
    install(machine / "uv", 'case "$*" in "python list"*) echo cpython-3.9.2;; "python find") exit 2;; esac')
    done = run(machine)
    assert done.returncode == 1
    assert "Python 3.12 or newer is needed. Found on this machine:\ncpython-3.9.2\n" in done.stderr


def test_with_uv_and_python_it_syncs_what_is_locked(machine: Path) -> None:
    install(machine / "uv", 'echo "$@"')
    assert run(machine).stdout.splitlines()[-1] == "sync --locked"


def test_a_broken_uv_counts_as_none(machine: Path) -> None:
    install(machine / "uv", "exit 127")
    assert "uv is missing" in run(machine).stderr
