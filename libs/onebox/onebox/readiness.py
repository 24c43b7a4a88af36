"""Who is ready, and who is not and why."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass

from onebox.children import Child
from onebox.trouble import tail

LARGEST = 2**20


@dataclass(frozen=True)
class ReadyCheck:
    """A child, and where it answers 200 when it is ready."""

    child: Child
    host: str
    port: int

    def answer(self) -> str | None:
        """Ask once: None when it is ready, else what it said."""
        status, body = self._get("/health/ready")
        if status is None:
            return "it does not answer"
        return None if status == 200 else f"it answered {status}: {body[:2000]}"

    def measures(self, sample: str) -> bool:
        """Say whether its metrics hold a sample, name and value, just so."""
        return sample in self._get("/metrics")[1].splitlines()

    def _get(self, path: str) -> tuple[int | None, str]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=2)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read(LARGEST).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return None, ""
        finally:
            connection.close()


def not_ready(checks: Sequence[ReadyCheck]) -> list[ReadyCheck]:
    """Give those that are not ready."""
    return [check for check in checks if check.answer() is not None]


def explained(checks: Sequence[ReadyCheck], seconds: float) -> str:
    """Say of each why it is not ready."""
    return "\n".join(
        f"{check.child.name} is not ready after {seconds:.0f} s: {check.answer()}.\n{tail(check.child.log)}"
        for check in checks
    )
