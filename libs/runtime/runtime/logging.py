"""Logs: one JSON object per line on standard output, with the ids of what is being done."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

__all__ = ["bound_contextvars", "get_logger", "set_up"]

_ENCODER = json.JSONEncoder(default=repr)
"""Made once: `json.dumps` makes one for each line."""


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return a logger. Create one per module."""
    return structlog.stdlib.get_logger()


def set_up(service: str, level: str, ids: Callable[[], Mapping[str, str]] = dict) -> None:
    """Write the logs of this process and of its libraries to standard output as JSON, with the present `ids`."""
    shared: list[structlog.typing.Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        lambda _logger, _method, event: {**event, **ids(), "service": service},
    ]
    lines = Lines(sys.stdout)
    # Not as records of the standard library: to make them, and to search for the caller, takes as long as the rest.
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(_to_json)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[lines], force=True)
    set_levels(level)
    logging.getLogger("uvicorn.error").addFilter(_is_of_server)


def _to_json(event: object, **_: object) -> str:
    return _ENCODER.encode(event)


def set_levels(level: str) -> None:
    """Have libraries log from this level on, and chatty ones only warnings."""
    _set_level(None, logging.getLevelNamesMapping()[level.upper()])
    # At INFO, `uvicorn.error` logs the URL of each WebSocket, whose query string may contain an access token.
    for chatty in ("uvicorn.access", "uvicorn.error", "aiohttp.access", "httpx", "httpx2", "mcp"):
        _set_level(chatty, logging.WARNING)


def _set_level(name: str | None, level: int) -> None:
    if (logger := logging.getLogger(name)).level != level:  # a change writes to all loggers
        logger.setLevel(level)


class Lines(logging.StreamHandler[TextIO]):
    """Writes the records of libraries, and lines that are rendered already. A failed write is no error of a caller."""

    def msg(self, line: str) -> None:
        """Write one line, whatever its level is."""
        self.acquire()
        try:
            self.stream.write(line + self.terminator)
            self.flush()
        except Exception:  # noqa: BLE001  as in `emit`
            self.handleError(logging.makeLogRecord({"msg": line}))
        finally:
            self.release()

    debug = info = warning = error = critical = msg


def _is_of_server(record: logging.LogRecord) -> bool:
    """Return whether an error is the server's: a client that sends invalid text must not fill logs with tracebacks."""
    return not record.getMessage().startswith("Invalid UTF-8")
