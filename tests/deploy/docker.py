"""The container engine that the tests use: `docker` and `docker compose`, at DOCKER_HOST."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.architecture.house import ROOT

IMAGES = tuple(re.findall("^FROM common AS (.+)$", (ROOT / "deploy/images/Dockerfile").read_text(), re.MULTILINE))
SERVICES = tuple(name for name in IMAGES if name not in {"simulator", "backup"})
PREFIX, VERSION = os.environ.get("IMAGES", "agentapi"), os.environ.get("VERSION", "0.2.0")  # noqa: TID251  as docker compose does


def image_of(service: str, version: str = VERSION) -> str:
    """Return the name of the image of a service."""
    return f"{PREFIX}/{service}:{version}"


def docker(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run docker in the root of the repository, and return what it wrote to its standard output.

    Raises:
        AssertionError: it failed; the message has its output.
    """
    done = subprocess.run(
        [program(arguments[0]), *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


def program(command: str) -> str:
    """Return the program that runs a command: podman takes a seccomp profile from its own command line only."""
    return "podman" if command == "run" and _is_podman() else "docker"


@cache
def _is_podman() -> bool:
    return "Podman" in docker("version") and shutil.which("podman") is not None


def inspected(kind: str, name: str) -> dict[str, Any]:
    """Return what the engine knows of an image or a container."""
    [found] = json.loads(docker(kind, "inspect", name))
    return found


@cache
def configured(service: str) -> dict[str, Any]:
    """Return the configuration of a container of the image of a service."""
    container = docker("create", image_of(service))
    try:
        return inspected("container", container)["Config"]
    finally:
        docker("rm", container)


def in_image(service: str, *command: str) -> str:
    """Run a command in a container of the image of a service that may do as little as those of docker-compose.yml."""
    limits = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
    return docker("run", *limits, "--tmpfs=/tmp", f"--entrypoint={command[0]}", image_of(service), *command[1:])
