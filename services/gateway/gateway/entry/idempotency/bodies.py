"""Bodies of keyed requests, which are compared with the first request before any of them is passed on."""

from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from contracts.refusals import Code, Refusal
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from gateway.problems import EdgeCode, Problem

MAX_MEMORY_BYTES = 1024 * 1024
CHUNK_BYTES = 64 * 1024
MAX_SPOOLED, MAX_SPOOLED_OF_A_USER = 16, 4
RETRY_AFTER = 10


class Spools:
    """Counts the bodies of this gateway that are in temporary files, and bounds the space that they take together."""

    def __init__(self) -> None:
        self._users = Counter[str]()

    @contextmanager
    def one(self, user: str) -> Generator[None]:
        """Count a body of a user until the block ends.

        Raises:
            Problem: there are too many of this user, or of all.
        """
        detail = f"Too many bodies above {MAX_MEMORY_BYTES} bytes are being received for requests with a key."
        if self._users[user] >= MAX_SPOOLED_OF_A_USER:
            raise Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail, retry_after=RETRY_AFTER)
        if self._users.total() >= MAX_SPOOLED:
            raise Problem(EdgeCode.UNAVAILABLE, detail, retry_after=RETRY_AFTER)
        self._users[user] += 1
        try:
            yield
        finally:
            self._users -= Counter([user])  # drops users without any


class Body:
    """A body that was read as a whole, into memory, or into a temporary file without a name if it is large."""

    def __init__(self, receive: Receive, file: UploadFile, counting: ExitStack) -> None:
        self._receive, self._file, self._counting = receive, file, counting
        self._size, self._passed_on = 0, False

    @classmethod
    @asynccontextmanager
    async def read(cls, receive: Receive, spools: Spools, user: str) -> "AsyncGenerator[Body]":
        """Read the body of a request of a user; `gateway.entry.transfers` limits its size. On exit, remove it.

        Raises:
            ClientDisconnect: the client is gone.
            Problem: too many large bodies are being read.
            Refusal: STORAGE_FAILED, it cannot be stored.
        """
        with ExitStack() as counting, SpooledTemporaryFile(MAX_MEMORY_BYTES) as file:
            body = cls(receive, UploadFile(cast(BinaryIO, file)), counting)
            try:
                while await body._read_more(spools, user):
                    pass
                await body._file.seek(0)
            except OSError as error:
                raise Refusal(Code.STORAGE_FAILED, f"The body could not be stored: {error.strerror}.") from error
            yield body

    async def _read_more(self, spools: Spools, user: str) -> bool:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        if self._size <= MAX_MEMORY_BYTES < self._size + len(chunk):
            self._counting.enter_context(spools.one(user))
        self._size += len(chunk)
        await self._file.write(chunk)
        return message.get("more_body", False)

    def chunks(self) -> Iterator[bytes]:
        """Yield the body; before it is passed on. Blocks."""
        while chunk := self._file.file.read(CHUNK_BYTES):
            yield chunk
        self._file.file.seek(0)

    async def receive(self) -> Message:
        """Return the next message of the request, as ASGI defines. The body is removed when all of it was returned."""
        if self._passed_on:
            return await self._receive()
        chunk = await self._file.read(CHUNK_BYTES)
        self._size -= len(chunk)
        if not self._size:
            self._passed_on = True
            await self._file.close()
            self._counting.close()
        return {"type": "http.request", "body": chunk, "more_body": not self._passed_on}
