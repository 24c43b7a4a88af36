"""Logs: one JSON object per line on standard output, with the correlation id of the message being handled."""

import logging
import sys

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

__all__ = ["bound_contextvars", "get_logger", "set_up"]


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return a logger. Create one per module."""
    return structlog.stdlib.get_logger()


def set_up(service: str, level: str) -> None:
    """Write the logs of this process and of its libraries to standard output as JSON."""
    shared: list[structlog.typing.Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        lambda _logger, _method, event: {**event, "service": service},
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # At INFO, `uvicorn.error` logs the URL of each WebSocket, whose query string may contain an access token.
    for chatty in ("uvicorn.access", "uvicorn.error", "aiohttp.access", "httpx", "httpx2", "mcp"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_of_server)


def _is_of_server(record: logging.LogRecord) -> bool:
    """Return whether an error is the server's: a client that sends invalid text must not fill logs with tracebacks."""
    return not record.getMessage().startswith("Invalid UTF-8")
