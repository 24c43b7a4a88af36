"""The session service in a container of its own, with PostgreSQL and NATS, and programs in sandboxes beside it."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from eventing.testing.key_rings import ring_json
from onebox.testing.system import until

from tests.adversarial.attacker import PRELUDE
from tests.architecture.house import ROOT
from tests.deploy.docker import docker, image_of

PROFILE = ROOT / "deploy/seccomp/session.json"
UNMASKED = "--security-opt=systempaths=unconfined"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777,exec")
READY_SECONDS = 600
"""A guard, not the aim."""
# What the service does: it finds its sandbox, and runs a program in it. The first argument is a command of a shell.
KILLED = "sleep 1000"
"""A command whose sandbox is killed from outside as soon as it runs."""
IN_SANDBOX = f"""
KILLED = {KILLED!r}
import asyncio, sys
from pathlib import Path
from sandbox import Program, Sandbox
async def main():
    sandbox, reason = await Sandbox.find()
    if reason:
        return print(reason)
    workspace = Path("/tmp/attacked")
    workspace.mkdir(exist_ok=True)
    (workspace / "attack.py").write_text(sys.argv[2])
    program = Program(("/bin/bash", "-c", sys.argv[1]), workspace=workspace)
    sandboxed = sandbox.prepare(program)
    process = await asyncio.create_subprocess_exec(sandboxed.entrypoint, stdout=-1, stderr=-2)
    if sys.argv[1] == KILLED:
        await sandboxed.wait_started()
        process.kill()
    print((await process.communicate())[0].decode())
    sandboxed.remove()
asyncio.run(main())
"""


def profile_option(profile: Path = PROFILE) -> str:
    """Return the option of docker for a seccomp profile."""
    return f"--security-opt=seccomp={profile}"


class Stores:
    """PostgreSQL and NATS in a network of their own; use it as a context."""

    def __init__(self, folder: Path) -> None:
        self._nats_settings = folder / "nats.conf"
        self._nats_settings.write_text("max_payload: 8MB\njetstream: {store_dir: /tmp}\n")
        self.network = f"agentapi-check-{secrets.token_hex(3)}"

    def __enter__(self) -> "Stores":
        docker("network", "create", self.network)
        environment = os.environ  # noqa: TID251  the names of images, as docker compose reads them
        password = "--env=POSTGRES_PASSWORD=postgres"
        self._run("postgres", password, environment.get("POSTGRES_IMAGE", "postgres:17"))
        settings = f"--volume={self._nats_settings}:/nats.conf:ro"
        self._run("nats", settings, environment.get("NATS_IMAGE", "nats:2.15"), "--config=/nats.conf")
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", "--volumes", *(f"{self.network}-{name}" for name in ("postgres", "nats")))
        docker("network", "rm", self.network)
        docker("volume", "rm", "--force", self.network)

    def _run(self, name: str, *arguments: str) -> None:
        options = f"--name={self.network}-{name}", f"--network={self.network}", f"--network-alias={name}"
        docker("run", "--detach", *options, *arguments)

    def wait_until_ready(self, container: str) -> None:
        """Wait until a service says so in its log."""
        until(lambda: '"event": "ready"' in docker("logs", container), READY_SECONDS)

    def service(self, *options: str) -> list[str]:
        """Return the arguments of docker that start a session service with further options."""
        variables = {"DATABASE_URL": "postgresql://postgres:postgres@postgres/postgres", "NATS_URL": "nats://nats:4222"}
        variables |= {"SECRETS_KEYS": ring_json("test"), "MODEL_BASE_URL": "http://127.0.0.1:1"}
        given = [f"--env={name}={value}" for name, value in variables.items()]
        given += [f"--network={self.network}", f"--mount=type=volume,source={self.network},target=/var/lib/agentapi"]
        return ["run", *HARDENED, *given, *options, image_of("session")]


class Contained:
    """Programs in sandboxes that are created in the container of a session service."""

    def __init__(self, container: str) -> None:
        self.container = container

    def python(self, code: str, *arguments: str) -> str:
        """Run a program outside of sandboxes, and return what it prints."""
        return docker("exec", self.container, "python", "-P", "-c", code, *arguments)

    def bash(self, command: str, program: str = "") -> str:
        """Run a command, beside a program `attack.py`, and return the last line of what it prints."""
        return self.python(IN_SANDBOX, command, program).splitlines()[-1]

    def run(self, program: str) -> Any:
        """Carry out a program in Python, and return what it prints, which is JSON."""
        return json.loads(self.bash("python3 attack.py 2>&1", PRELUDE + program))
