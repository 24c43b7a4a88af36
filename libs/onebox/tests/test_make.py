import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "libs" / "onebox" / "environment.sh"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Create a folder of programs with almost nothing, and a Python without venv and pip."""
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
    folder, env = machine.parent, {"PATH": str(machine)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)  # noqa: S603


def test_help_lists_the_targets() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert {"run", "demo", "help"} <= {line.split()[1] for line in shown.splitlines()}


def test_secrets_are_created_in_the_folder_that_is_named() -> None:
    command = ["make", "-n", "secrets", "SECRETS=/some/folder"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert "-m onebox.installation /some/folder\n" in shown


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["rebuild", "SERVICE=session", "READ_MODEL=sessions"], "-m onebox.operating session rebuild sessions\n"),
        (["rebuild", "SERVICE=report", "COMPOSE=1"], "docker compose run --rm --no-deps report-migration rebuild \n"),
        (["dead-letters", "SERVICE=session"], "-m onebox.operating session dead-letters list\n"),
        (["dead-letters", "SERVICE=session", "DO=retry 1 2"], "-m onebox.operating session dead-letters retry 1 2\n"),
        (["reset-password", "EMAIL=a@b.c"], '-m onebox.operating identity reset-password "a@b.c"\n'),
    ],
)
def test_commands_of_services_are_started_with_their_arguments(arguments: list[str], command: str) -> None:
    program = ["make", "-n", *arguments]
    shown = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert command in shown


def test_if_uv_cannot_be_installed_the_errors_and_advice_are_shown(machine: Path) -> None:
    done = run(machine)
    assert done.returncode == 1
    assert "No module named venv\nNo module named pip" in done.stderr
    assert "Install uv" in done.stderr


def test_without_a_suitable_python_the_versions_found_are_shown(machine: Path) -> None:
    install(machine / "uv", 'case "$*" in "python list"*) echo cpython-3.9.2;; "python find") exit 2;; esac')
    done = run(machine)
    assert done.returncode == 1
    assert "Python 3.12 or later is required. Found on this machine:\ncpython-3.9.2\n" in done.stderr


def test_the_environment_is_synced_from_the_lock_file(machine: Path) -> None:
    install(machine / "uv", 'echo "$@"')
    assert run(machine).stdout.splitlines()[-1] == "sync --locked"


def test_a_broken_uv_counts_as_missing(machine: Path) -> None:
    install(machine / "uv", "exit 127")
    assert "uv is not installed" in run(machine).stderr


def test_the_code_is_compiled_once(machine: Path) -> None:
    install(machine / "uv", "true")
    compiled = machine.parent / "libs" / "eventing" / "eventing" / "__pycache__"
    compiled.mkdir(parents=True)
    (machine.parent / ".venv" / "bin").mkdir(parents=True)
    install(machine.parent / ".venv" / "bin" / "python", 'echo "$PYTHONDONTWRITEBYTECODE$@"')
    assert run(machine).stdout == "-P -m onebox.precompiling\n"
    (compiled / "main.cpython-313.pyc").touch()
    assert run(machine).stdout == ""
