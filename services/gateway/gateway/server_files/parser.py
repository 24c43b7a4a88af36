"""Parses files from clients in a child process, which bounds the time and the memory that a hostile file can use."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from runtime.children.pool import ChildPool, ChildUnavailable, LimitExceeded, Limits

from gateway.problems import EdgeCode, Problem

LIMITS = Limits(cpu_seconds=2.0, wall_seconds=30.0, reply_bytes=16 * 1024 * 1024)
MAX_WAITING = 20


class FileParser:
    """Parses YAML and JSON."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls) -> "AsyncGenerator[FileParser]":
        """Open the pool, whose child process starts with the first file; end it on exit."""
        program = Path(__file__).with_name("child.py")
        async with ChildPool.open(program, LIMITS, children=1, max_requests=MAX_WAITING, on_demand=True) as pool:
            yield cls(pool)

    async def parse(self, data: bytes, user_id: UUID) -> Any:
        """Return the content of a file: objects, lists, text, true, false and null. Numbers are text.

        Raises:
            Problem: the file is not valid (INVALID_FILE), or could not be parsed in time.
        """
        try:
            kind, content = await self._pool.run(data.decode("utf-8-sig"), key=user_id)
        except UnicodeDecodeError:
            raise invalid_file("it is not encoded in UTF-8") from None
        except LimitExceeded as error:
            raise invalid_file(str(error)) from None
        except ChildUnavailable:
            raise Problem(EdgeCode.UNAVAILABLE, "The file could not be read in time. Try again in a moment.") from None
        if kind == "error":
            raise invalid_file(content)
        return content


def invalid_file(reason: str) -> Problem:
    """Return the problem of a file that cannot be read; the reason is a clause."""
    return Problem(EdgeCode.INVALID_FILE, f"The file cannot be read: {reason}.")
