"""Who is ready, and who is not and why."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass

from onebox.children import Child
from onebox.trouble import tail


@dataclass(frozen=True)
class ReadyCheck:
    """A child, and where it answers 200 when it is ready."""

    child: Child
    host: str
    port: int

    def answer(self) -> str | None:
        """Ask once: None when it is ready, else what it said."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            response = connection.getresponse()
            body = response.read(2000).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return "it does not answer"
        finally:
            connection.close()
        return None if response.status == 200 else f"it answered {response.status}: {body}"


def not_ready(checks: Sequence[ReadyCheck]) -> list[ReadyCheck]:
    """Give those that are not ready."""
    return [check for check in checks if check.answer() is not None]


def explained(checks: Sequence[ReadyCheck], seconds: float) -> str:
    """Say of each why it is not ready."""
    return "\n".join(
        f"{check.child.name} is not ready after {seconds:.0f} s: {check.answer()}.\n{tail(check.child.log)}"
        for check in checks
    )
