"""Replicas of the service in processes of their own, which a test can kill."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

from eventing.testing.key_rings import ring_json
from onebox.children import allowed_environment

COUNT = 2


class Replicas:
    """Two replicas. Use it as a context manager, which ends them."""

    def __init__(self, database_url: str, nats_url: str, log: Path, settings: Mapping[str, str]) -> None:
        servers = {"DATABASE_URL": database_url, "NATS_URL": nats_url, "SECRETS_KEYS": ring_json("test")}
        own = {"WEBHOOK_ALLOWED_ADDRESSES": "127.0.0.1", **settings}
        self.environment = allowed_environment() | servers | own
        self.log, self.running = log, list[subprocess.Popen[bytes]]()

    def __enter__(self) -> "Replicas":
        for _ in range(COUNT):
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            _kill(process)

    def replace_one(self, random: Random) -> None:
        """Kill one of the replicas with SIGKILL, and start another one."""
        _kill(self.running.pop(random.randrange(len(self.running))))
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-P", "-m", "webhook"]
        with self.log.open("ab") as log:
            self.running.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log))  # noqa: S603


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
