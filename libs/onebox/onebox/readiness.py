"""Readiness checks of the services."""

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass

from onebox.children import Child
from onebox.errors import tail

MAX_RESPONSE_BYTES = 2**20
READY_SECONDS, METRICS_SECONDS = 2.0, 30.0
"""Limits of a request. Readiness is asked for again and again, and metrics once: a service that starts may be slow."""


@dataclass(frozen=True)
class ReadyCheck:
    """A child, and the port of this machine at which it serves its readiness and its metrics."""

    child: Child
    port: int

    def reason(self) -> str | None:
        """Return None if the child is ready, else the reason why not."""
        status, body = self._get("/health/ready", READY_SECONDS)
        if status is None:
            return "no response"
        return None if status == 200 else f"response {status}: {body[:2000]}"

    def has_sample(self, sample: str) -> bool:
        """Return whether its metrics contain exactly this sample: name and value."""
        return sample in self._get("/metrics", METRICS_SECONDS)[1].splitlines()

    def _get(self, path: str, seconds: float) -> tuple[int | None, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read(MAX_RESPONSE_BYTES).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return None, ""
        finally:
            connection.close()


def any_has_sample(checks: Sequence[ReadyCheck], name: str, sample: str) -> bool:
    """Return whether the metrics of the child with this name contain a sample. To write them takes memory in others."""
    return any(check.has_sample(sample) for check in checks if check.child.name == name)


def scrape_targets(checks: Sequence[ReadyCheck]) -> str:
    """Return where services serve their probes and metrics, as Prometheus reads it (`file_sd_configs`)."""
    ports = {check.child.name: check.port for check in checks if "OPS_PORT" in check.child.program.environment}
    return json.dumps([{"targets": [f"127.0.0.1:{ports[name]}"], "labels": {"service": name}} for name in ports])


def not_ready(checks: Sequence[ReadyCheck]) -> list[ReadyCheck]:
    """Return the checks whose child is not ready."""
    return [check for check in checks if check.reason() is not None]


def describe_not_ready(checks: Sequence[ReadyCheck], seconds: float) -> str:
    """Return a message that says for each child why it is not ready."""
    return "\n".join(
        f"{check.child.name} is not ready after {seconds:.0f} s: {check.reason()}.\n{tail(check.child.log)}"
        for check in checks
    )
