"""Limits the number of connections of one agent, because each takes a file descriptor of the service."""

import asyncio
import logging
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

MAX_CONNECTIONS = 128


class ConnectionLimiter:
    """A protocol factory for the connections of one agent."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._open: list[RequestHandler] = []

    def __call__(self) -> asyncio.Protocol:
        """Return a protocol that serves the next connection, or one that closes it if there are too many."""
        self._open = [handler for handler in self._open if handler.transport is not None]
        if len(self._open) >= MAX_CONNECTIONS:
            return _Closed()
        handler = self._server()
        self._open.append(handler)
        return handler


class _Closed(asyncio.Protocol):
    """Closes its connection immediately."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def server_logger() -> logging.Logger:
    """Return a logger for errors of the server itself.

    Invalid HTTP is not logged: an agent could fill the log with it.
    """
    logger = logging.getLogger(__name__)
    logger.addFilter(_is_server_fault)
    return logger


def _is_server_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
