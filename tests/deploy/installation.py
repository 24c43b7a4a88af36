"""A system of docker-compose.yml for tests, with its own name, secrets, volumes and ports."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from onebox.testing.system import until

from tests.architecture.house import ROOT
from tests.deploy.docker import docker, inspected

UPGRADE = ROOT / "deploy/upgrade.sh"
BUS_RESTARTED = "The bus was restarted.\n"
READY_SECONDS = 900
"""How long `docker compose up` may take before it is given up: a guard, not the aim."""


class Installation:
    """Use it as a context, which removes all that it created."""

    def __init__(self, folder: Path, images: Mapping[str, str] | None = None) -> None:
        self.project = f"agentapi-check-{secrets.token_hex(3)}"
        self.gateways: list[str] = []
        """The URLs of the gateways."""
        self.seconds_to_ready = 0.0
        self.secrets = folder
        given = {
            "COMPOSE_PROJECT_NAME": self.project,
            "SECRETS": str(folder),
            "GATEWAY_PORT": "",
            "MODEL_BASE_URL": "",  # the simulator
            "RATE_LIMITS": "none",
            "ASK_TIMEOUT_SECONDS": "15",  # two of everything start while users register
        }
        self._images = images or {}
        """Variables of `docker compose` that name other images, and their docker-compose.yml."""
        self._env = {**os.environ, **given}  # noqa: TID251  docker needs all of it
        if not (folder / "nats.conf").exists():  # that of an earlier release is kept until the upgrade
            self.create_secrets()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            self.show_logs()
        self.compose("down", "--volumes", "--timeout", "30", "--remove-orphans")

    def show_logs(self) -> None:
        """Write the last lines of each container to standard error."""
        sys.stderr.write(self.compose("logs", "--no-color", "--tail", "40"))

    def compose(self, *arguments: str) -> str:
        """Run `docker compose` for this system."""
        return docker("compose", *arguments, env={**self._env, **self._images})

    def make(self, target: str, **variables: str) -> None:
        """Run a target of the Makefile for this system."""
        command = ["make", target, *(f"{name}={value}" for name, value in variables.items())]
        subprocess.run(command, cwd=ROOT, env=self._env, check=True)

    def shell(self, script: str) -> str:
        """Run commands in the root of the repository for this system, and return what they print; none may fail."""
        command = ["bash", "-eu", "-o", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def create_secrets(self) -> None:
        """Create what is missing in the folder of secrets, as `make secrets` does."""
        subprocess.run([sys.executable, "-m", "onebox.installation", str(self.secrets)], check=True)

    def up(self, *scale: str) -> None:
        """Start everything, and wait until it is ready; `scale` are options such as `--scale=session=2`."""
        began = time.monotonic()
        self.compose(
            "up", "--detach", "--no-build", "--no-recreate", "--wait", f"--wait-timeout={READY_SECONDS}", *scale
        )
        self.seconds_to_ready = time.monotonic() - began
        self.find_gateways()

    def change(self, **variables: str) -> None:
        """Start with other variables of `docker compose` what these concern, and wait until all is ready again."""
        self._env |= variables
        self.compose("up", "--detach", "--no-build", "--wait", f"--wait-timeout={READY_SECONDS}")
        self.find_gateways()

    @property
    def compose_file(self) -> str:
        """The files that `docker compose` reads, separated by colons."""
        return self._env.get("COMPOSE_FILE") or "docker-compose.yml"

    def upgrade(self, gateways_changed: str, images: Mapping[str, str] | None = None) -> str:
        """Replace all containers as the runbook of upgrades does, and return what that prints.

        `images` are those of an earlier release, for the way back; without them, they are those under test.
        """
        self._images, printed = images or {}, ""
        bus = (self.secrets / "nats.conf").read_text()
        self.create_secrets()
        if (self.secrets / "nats.conf").read_text() != bus:
            self.compose("restart", "nats")
            printed = BUS_RESTARTED
        env = {**self._env, **self._images, "GATEWAYS_CHANGED": gateways_changed}
        done = subprocess.run(["sh", UPGRADE], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
        self.find_gateways()
        return printed + done.stdout + done.stderr

    def containers(self, service: str) -> list[str]:
        """Return the names of the containers of a service."""
        return sorted(self.compose("ps", "--format", "{{.Name}}", service).split())

    def find_gateways(self) -> None:
        """Find the ports of the gateways, which may be others after one was started again."""
        indexes = [name.rpartition("-")[2] for name in self.containers("gateway")]
        self.gateways[:] = [f"http://{self.compose('port', '--index', n, 'gateway', '8000')}" for n in indexes]

    def kill(self, container: str) -> None:
        """End a container as a crash does, start it again, and wait until it is ready."""
        docker("kill", "--signal=KILL", container)
        docker("start", container)
        until(lambda: self._is_ready(container), READY_SECONDS)
        if "-gateway-" in container:
            self.find_gateways()

    def _is_ready(self, container: str) -> bool:
        state = inspected("container", container)["State"]
        return state["Running"] and (state.get("Health") or {"Status": "healthy"})["Status"] == "healthy"

    def values(self, service: str, metric: str) -> list[float]:
        """Return the value of a metric at each replica of a service, added up over its labels."""
        return [
            sum(float(line.rpartition(" ")[2]) for line in self.metrics(name).splitlines() if line.startswith(metric))
            for name in self.containers(service)
        ]

    def metrics(self, container: str) -> str:
        """Return what a container exposes."""
        script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9000/metrics').read().decode())"
        return docker("exec", container, "python", "-c", script)

    def client(self) -> httpx.Client:
        """Return a client of the first gateway."""
        return httpx.Client(base_url=f"{self.gateways[0]}/api/v1", timeout=60)
