"""Records of keyed requests, in a bucket of the bus: their state, and the response."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from contracts.wire import IDEMPOTENCY
from pydantic import BaseModel, Field, ValidationError
from runtime.bus import BUS_ERRORS, Client, Unavailable
from runtime.bus.key_value import Bucket, Entry
from runtime.secrets.key_ring import Ring

from gateway.entry.idempotency.keys import KeyedRequest
from gateway.entry.idempotency.responses import Seals
from gateway.entry.idempotency.usage import MAX_DAY_BYTES, OVERHEAD_BYTES, Usage

type State = Literal["running", "open", "free", "answered"]

RETENTION_SECONDS = 24 * 3600.0
MAX_BUCKET_BYTES = 2 * MAX_DAY_BYTES
"""The oldest records are dropped first. Repetitions of their requests are still recognised by the services."""


class Record(BaseModel):
    """A keyed request.

    `running` until a time that its gateway postpones; `open` if it has to be continued; `free` if nothing was begun, so
    that the key may be used for another request; `answered` with its response, the `content`, which is sealed with the
    key of this id if there is one (`gateway.entry.idempotency.responses`). `began` is the time of the first attempt, in
    milliseconds since 1970, `digest` that of the body.
    """

    state: State
    began: int
    digest: str
    until: datetime | None = None
    key_id: str | None = None
    content: bytes = Field(exclude=True, default=b"")

    def encoded(self) -> bytes:
        """Return the record as bytes: JSON, and after a line break the content."""
        return b"%b\n%b" % (self.model_dump_json(exclude_none=True).encode(), self.content)

    @classmethod
    def decoded(cls, encoded: bytes) -> Self:
        """Return the record that was encoded.

        Raises:
            ValidationError: the bytes are no record.
        """
        head, _, content = encoded.partition(b"\n")
        return cls.model_validate_json(head).model_copy(update={"content": content})


@dataclass(frozen=True)
class Stored:
    """A record, and the entry of the bucket that holds it."""

    record: Record
    entry: Entry


class Records:
    """The records of all gateways. The methods raise Unavailable if the bus does not answer."""

    def __init__(self, client: Client, ring: Ring | None = None) -> None:
        self.client, self.seals, self.usage = client, Seals(ring), Usage(client)
        self._bucket: Bucket | None = None

    async def read(self, request: KeyedRequest) -> Stored | None:
        """Return the record of a request, or None."""
        entry = await self._with_bucket(lambda bucket: bucket.get(request.id.hex))
        try:
            return entry and Stored(Record.decoded(entry.value), entry)
        except ValidationError:  # written by a newer release
            raise Unavailable("the record of a keyed request cannot be read") from None

    async def write(self, request: KeyedRequest, record: Record, before: Stored | None) -> Stored | None:
        """Replace the record that was read or written before; return None if another one was written since then.

        The bytes that it adds are on their way to the counter before the record itself, so what is stored is counted.
        """
        value, entry = record.encoded(), before and before.entry
        added = max(0, len(value) - len(entry.value)) if entry else len(value) + OVERHEAD_BYTES
        _, written = await asyncio.gather(
            self.usage.add(request, added),
            self._with_bucket(lambda bucket: bucket.replace(request.id.hex, value, entry)),
        )
        if not written:
            await self.usage.add(request, -added)
        return written and Stored(record, written)

    async def _with_bucket[T](self, work: Callable[[Bucket], Awaitable[T]]) -> T:
        if not self.client.is_connected:
            raise Unavailable("not connected")  # a request would wait for its timeout
        try:
            if self._bucket is None:
                self._bucket = await Bucket.bounded(
                    self.client, IDEMPOTENCY, seconds=RETENTION_SECONDS, max_bytes=MAX_BUCKET_BYTES
                )
            return await work(self._bucket)
        except BUS_ERRORS as error:
            self._bucket = None  # the bus may have lost it
            raise Unavailable(f"records of keyed requests: {error!r}") from None
