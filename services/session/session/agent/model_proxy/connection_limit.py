"""Lets an agent have so many connections and no more: each takes a descriptor of the service."""

import asyncio
import logging
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

MAX_CONNECTIONS = 128


class ConnectionLimiter:
    """Makes the protocol of each connection of one agent."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._open: list[RequestHandler] = []

    def __call__(self) -> asyncio.Protocol:
        """Return what serves the next connection, or ends it."""
        self._open = [handler for handler in self._open if handler.transport is not None]
        if len(self._open) >= MAX_CONNECTIONS:
            return _Closed()
        handler = self._server()
        self._open.append(handler)
        return handler


class _Closed(asyncio.Protocol):
    """Ends its connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def server_logger() -> logging.Logger:
    """Return where a server logs its own server_logger; an agent that does not speak HTTP could fill the log with its own."""
    logger = logging.getLogger(__name__)
    logger.addFilter(_is_server_fault)
    return logger


def _is_server_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
