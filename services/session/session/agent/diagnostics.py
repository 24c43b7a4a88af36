"""Standard error of an agent, which may contain secrets, in logs and error messages."""

from collections import deque
from collections.abc import Iterable

from runtime.logging import get_logger
from runtime.secrets.redaction import redactor

log = get_logger()

NOT_STARTED = "The agent could not be started."
CRASHED = "The agent crashed before its turn was over."
OUT_OF_MEMORY = "The agent, with the programs that it started, needed more memory than it may use, and was ended."
BAD_SCHEMA = "--json-schema is not a valid JSON Schema: "
MAX_REASON_CHARS = 500
MAX_LINE_CHARS = 10_000


class Diagnostics:
    """The last lines on an agent's standard error; `secrets` are masked wherever they are shown."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.redact = redactor(secrets)
        self._lines: deque[str] = deque(maxlen=10)

    def record(self, line: str) -> None:
        """Keep a line."""
        self._lines.append(line[:MAX_LINE_CHARS])

    def start_failure(self) -> str:
        """Return why the agent did not start, for users."""
        for line in self._lines:
            if BAD_SCHEMA in line:
                reason = self.redact(line.partition(BAD_SCHEMA)[2])[:MAX_REASON_CHARS]
                return f"{NOT_STARTED} sdk_options.output_format: {reason}"
        return NOT_STARTED

    def warn(self, event: str, error: Exception) -> None:
        """Log an error with the last lines."""
        log.warning(event, error=self.redact(repr(error)), stderr=[self.redact(line) for line in self._lines])
