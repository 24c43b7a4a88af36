"""What is installed from wheels, as in images, is complete: services migrate and start from them."""

import os
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
from onebox.keys import new_key_ring, new_symmetric_keys
from onebox.testing.databases import Databases
from onebox.testing.folders import temporary_folder

from tests.architecture import house

pytestmark = pytest.mark.usefixtures("servers")

SETTINGS = {
    "gateway": {"REPLAY_KEY_FILE": "secrets.json", "PORT": "8000", "HOST": "127.0.0.9"},
    "identity": {"KEY_RING_FILE": "ring.json"},
    "mcp_registry": {"SECRETS_KEY_FILE": "secrets.json"},
    "report": {"REPORTS_DIR": "."},
    "session": {"SECRETS_KEY_FILE": "secrets.json", "WORKSPACES_DIR": ".", "MODEL_BASE_URL": "http://127.0.0.1:9"},
    "task_scheduler": {"SECRETS_KEY_FILE": "secrets.json"},
    "webhook": {"SECRETS_KEY_FILE": "secrets.json"},
}


def uv(*arguments: str, **environment: str) -> None:
    """Run the uv that `make environment` uses, offline."""
    program = shutil.which("uv") or str(house.ROOT / ".uv" / "bin" / "uv")
    command = [program, "--offline", "--quiet", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}  # noqa: TID251  uv's own
    subprocess.run(command, cwd=house.ROOT, env=inherited | environment, check=True)


@pytest.fixture(scope="module")
def wheels() -> Generator[Path]:
    """The wheels of all packages of the workspace."""
    with temporary_folder() as folder:
        uv("build", "--wheel", "--all-packages", "--out-dir", str(folder))
        yield folder


@contextmanager
def installed(wheels: Path, package: str) -> Generator[Path]:
    """Yield the Python of an environment with a service, and with what the lock file says that it needs."""
    with temporary_folder() as folder:
        project = f"agentapi-{package.replace('_', '-')}"
        only = ("--frozen", "--no-dev", "--no-install-workspace", "--package", project)
        uv("sync", *only, UV_PROJECT_ENVIRONMENT=str(folder / "environment"))
        python = folder / "environment" / "bin" / "python"
        uv("pip", "install", "--python", str(python), "--no-index", "--find-links", str(wheels), project)
        yield python


def test_wheels_contain_all_files_of_their_packages(wheels: Path) -> None:
    contained = {name for wheel in wheels.glob("*.whl") for name in zipfile.ZipFile(wheel).namelist()}
    tracked = subprocess.run(["git", "ls-files"], cwd=house.ROOT, capture_output=True, text=True, check=True).stdout
    files = {Path(line) for line in tracked.splitlines()}
    for member in house.members(house.ROOT):
        folder = member.folder.relative_to(house.ROOT)
        needed = {str(file.relative_to(folder)) for file in files if file.is_relative_to(folder / member.package)}
        assert sorted(needed - contained) == []
        assert f"{member.package}/py.typed" in needed


@pytest.fixture
def folder(databases: Databases, database_url: str, nats_url: str) -> Generator[Path]:
    """A folder outside of the checkout, with secrets in files."""
    with temporary_folder() as folder:
        (folder / "ring.json").write_text(new_key_ring())
        (folder / "secrets.json").write_text(new_symmetric_keys())
        (folder / "owner").write_text(database_url)
        (folder / "database").write_text(databases.as_service(database_url))
        (folder / "bus").write_text(nats_url)
        yield folder


def run(python: Path, folder: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    full = [str(python), "-P", "-m", *command]
    return subprocess.Popen(full, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    "service", [name if name == "identity" else pytest.param(name, marks=pytest.mark.long) for name in sorted(SETTINGS)]
)
def test_a_service_migrates_and_starts_from_its_wheels(wheels: Path, folder: Path, service: str) -> None:
    with installed(wheels, service) as python:
        database = {} if service == "gateway" else {"DATABASE_URL_FILE": "database"}
        if database:
            with run(python, folder, service, "migrate", MIGRATION_DATABASE_URL_FILE="owner", **database) as job:
                assert "applied 0001" in job.communicate()[0]
        with run(python, folder, service, NATS_URL_FILE="bus", **database, **SETTINGS[service]) as running:
            assert is_ready(running)


def is_ready(running: subprocess.Popen[str]) -> bool:
    """Return whether a service says within 2 minutes that it is ready, and stop it."""
    guard = Timer(120, running.kill)
    guard.start()
    ready = any('"ready"' in line for line in running.stdout or ())
    running.send_signal(signal.SIGTERM)
    running.communicate()
    guard.cancel()
    return ready
