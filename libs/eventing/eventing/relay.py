"""Stored facts to the bus: in the order of the feed, each once. One stream a service, filled by its relay alone.

The stream itself is the checkpoint: each message carries its cursor, and a relay goes on after the last one. Every
publish says which sequence number it expects to follow, so of two relays one is refused and reads again. The lock only
spares that work.
"""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
import json
from typing import Any, cast

from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import APIError, NotFoundError
from runtime.logging import get_logger

from eventing import metrics, wire
from eventing.postgres import PostgresStore
from eventing.store import START, Cursor, Fed, Unreadable
from eventing.streams import DEAD_LETTERS, LARGEST_STREAM, provision

log = get_logger()

BATCH = 256
POLL = 0.25
LOOK = 20  # polls in vain after which it looks whether the stream still is as it left it
WRONG_LAST_SEQUENCE = 10071
CURSOR = "feed-cursor"


class Relay:
    """Publishes what one service's store has stored."""

    def __init__(
        self, store: PostgresStore, js: JetStreamContext, service: str, *, largest: int = LARGEST_STREAM
    ) -> None:
        self.store, self.js, self.service, self.largest = store, js, service, largest
        self.stream = wire.stream_of(service)
        self.sequence = 0
        self.cursor: Cursor = START
        self.noted: Cursor | None = None

    async def run(self) -> None:
        """Relay until cancelled or something fails; start it again then. Waits while another replica does it."""
        async with self.store.database.holding(f"relay:{self.service}") as free:
            if not free:
                await asyncio.sleep(1)
                return
            await provision(self.js, self.stream, [f"evt.{self.service}.>"], self.largest)
            await self.resume()
            idle = 0
            while True:
                self.store.appended.clear()
                idle = 0 if await self.once() else idle + 1
                if idle:
                    await self._note_place()
                    await self._appended_or_poll()
                if idle == LOOK:
                    await self._look()
                    idle = 0

    async def resume(self) -> None:
        """Find the place after the last published fact."""
        self.sequence = (await self.js.stream_info(self.stream)).state.last_seq
        self.cursor = await self._place() if self.sequence else START

    async def once(self) -> int:
        """Publish one batch and give its size. What nobody can read is dead-lettered first, and passed over.

        Raises:
            APIError: another relay was first; `resume` and go on.
        """
        batch = await self.store.places(self.cursor, BATCH)
        for place in batch:
            if isinstance(place, Unreadable):
                await self._bury(place)
        public = [fed for fed in batch if isinstance(fed, Fed) and fed.recorded.fact.published]
        acks = await asyncio.gather(
            *(self._publish(fed, self.sequence + n) for n, fed in enumerate(public)), return_exceptions=True
        )
        for fed, ack in zip(public, acks, strict=True):
            if isinstance(ack, BaseException):
                metrics.relay_conflicts.inc(isinstance(ack, APIError) and ack.err_code == WRONG_LAST_SEQUENCE)
                raise ack
            self.sequence, self.cursor = ack.seq, fed.cursor
            metrics.relayed.inc()
        if batch:
            self.cursor = batch[-1].cursor
        return len(batch)

    async def _publish(self, fed: Fed, expected: int) -> PubAck:
        headers = wire.headers(fed.recorded, self.service)
        headers |= {
            "Nats-Msg-Id": headers["ce-id"],
            "Nats-Expected-Last-Sequence": str(expected),
            CURSOR: f"{fed.cursor[0]}:{fed.cursor[1]}",
        }
        body = fed.recorded.fact.model_dump_json().encode()
        return await self.js.publish(
            wire.subject(fed.recorded), body, timeout=5, stream=self.stream, headers=cast(dict[str, Any], headers)
        )

    async def _bury(self, place: Unreadable) -> None:
        # Only where it is: what it holds may be nobody's business, and stays in the table.
        told = {
            "cursor": f"{place.cursor[0]}:{place.cursor[1]}",
            "id": str(place.id),
            "version": place.version,
            "topic": place.topic,
        }
        subject = f"dead.{self.service}.relay"
        headers = {"dead-reason": place.reason[:1000], "Nats-Msg-Id": f"{subject}.{place.id}.{place.version}"}
        await self.js.publish(subject, json.dumps(told).encode(), timeout=5, stream=DEAD_LETTERS, headers=headers)
        log.error("a stored fact that cannot be read is passed over", reason=place.reason, **told)
        metrics.relay_unreadable.inc()

    async def _place(self) -> Cursor:
        try:
            last = await self.js.get_msg(self.stream, seq=self.sequence)
        except NotFoundError:  # retention emptied the stream; what it held had been noted long before
            row = await self.store.database.fetchrow("SELECT tx::text AS tx, position FROM relayed")
            return (int(row["tx"]), row["position"]) if row else START
        headers = cast(dict[str, str], last.headers or {})
        tx, _, position = headers[CURSOR].partition(":")
        return int(tx), int(position)

    async def _look(self) -> None:
        # A bus that lost the stream, or its newest messages, has no other way to tell.
        if (await self.js.stream_info(self.stream)).state.last_seq != self.sequence:
            await self.resume()

    async def _note_place(self) -> None:
        if self.cursor == self.noted:
            return
        await self.store.database.execute(
            "INSERT INTO relayed (tx, position) VALUES ($1::text::xid8, $2) ON CONFLICT (one) "
            "DO UPDATE SET tx = excluded.tx, position = excluded.position WHERE relayed.tx <> excluded.tx",
            str(self.cursor[0]),
            self.cursor[1],
        )
        self.noted = self.cursor

    async def _appended_or_poll(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self.store.appended.wait()
        except TimeoutError:
            pass
