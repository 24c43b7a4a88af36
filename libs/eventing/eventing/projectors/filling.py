"""Fills a read model from the table of its source: what the stream has dropped, or all of it again."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from typing import Any

from nats.js.api import StreamInfo
from pydantic_core import from_json, to_json
from runtime.bus.jetstream import JetStream

from eventing.database import Connection, Database
from eventing.projectors.checkpoint import REBUILDING, Checkpoint
from eventing.projectors.source import Source, SourceEvent, SourcePage
from eventing.recording import EventTooNew
from eventing.relay.position import creation_time

MAX_SPOOLED_BYTES = 4 * 2**20
"""The size of the events that a rebuild keeps in memory; more are in a temporary file without a name."""

type Project = Callable[[Any, Connection], Awaitable[None]]


@dataclass(frozen=True)
class Rebuild:
    """How a read model is filled again in one transaction.

    It is emptied by `clear`, filled with `project`, which has no effects outside of it, and `finish` has those of the
    result.
    """

    clear: Callable[[Connection], Awaitable[None]]
    project: Project
    finish: Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True)
class Filling:
    """The filling of the read model of the projector `name`.

    `project` projects one event with a projection: its own one, or that of a rebuild. `publish` publishes events before
    that; those of a rebuild were published when they happened.
    """

    name: str
    source: Source
    rebuild: Rebuild | None
    project: Callable[[SourceEvent, Connection, Project | None], Awaitable[None]]
    publish: Callable[[JetStream, Sequence[SourceEvent]], Awaitable[None]]

    async def fill(self, database: Database, js: JetStream, done: Checkpoint, stream: StreamInfo) -> Checkpoint:
        """Project what the source has stored after the checkpoint, and return the position after it in the stream.

        Raises:
            SourceUnavailable: the source does not send its events.
            EventTooNew: only a newer release can read the next event.
        """
        if done.sequence == REBUILDING and self.rebuild:
            return await self._fill_again(database, js, done, stream, self.rebuild)
        async with aclosing(self.source.pages(js, done.cursor)) as pages:
            async for page in pages:
                done = await self._fill_page(database, js, page, done)
        filled = _after(done, stream)
        async with database.transaction() as connection:
            await done.move(connection, self.name, filled)
        return filled

    async def _fill_page(self, database: Database, js: JetStream, page: SourcePage, done: Checkpoint) -> Checkpoint:
        reached, stopped = replace(done, replaying=True), None
        await self.publish(js, page.events)
        async with database.transaction() as connection:
            for event in page.events:
                try:
                    await self.project(event, connection, None)
                except EventTooNew as reason:
                    stopped = reason
                    break
                reached = replace(reached, cursor=event.cursor)
            else:
                reached = replace(reached, cursor=page.reached)
            await done.move(connection, self.name, reached)
        if stopped:
            raise stopped
        return reached

    async def _fill_again(
        self, database: Database, js: JetStream, done: Checkpoint, stream: StreamInfo, rebuild: Rebuild
    ) -> Checkpoint:
        reached = done
        with SpooledTemporaryFile(MAX_SPOOLED_BYTES) as file:
            # Read before the transaction begins, which must not wait for the bus: all relays would wait for it.
            async with aclosing(self.source.pages(js, None)) as pages:
                async for page in pages:
                    file.writelines(map(_line, page.events))
                    reached = replace(reached, cursor=page.reached)
            file.seek(0)
            # In one transaction: nobody may act on an empty read model, or on a state that was once true.
            async with database.transaction() as connection:
                await rebuild.clear(connection)
                for line in file:
                    await self.project(_event(line), connection, rebuild.project)
                await rebuild.finish(connection)
                filled = _after(reached, stream)
                await done.move(connection, self.name, filled)
        return filled


def _line(event: SourceEvent) -> bytes:
    return to_json([event.headers, event.data.decode()]) + b"\n"


def _event(line: bytes) -> SourceEvent:
    headers, data = from_json(line)
    return SourceEvent(headers, data.encode())


def _after(reached: Checkpoint, stream: StreamInfo) -> Checkpoint:
    # The source has sent the events of all messages that the stream held before.
    return Checkpoint(stream.state.last_seq, creation_time(stream), reached.cursor, replaying=True)
