"""Persistent reactions: what they have to do is a row of PostgreSQL until they succeed, however often they fail.

The event of another reaction is dead-lettered after some attempts, and nobody looks again. That is wrong for what must
happen in the end, such as the removal of files while their server is unavailable.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from eventing.database import Database
from eventing.leases import UnfinishedWork
from eventing.recording import Recorded

type After = Callable[[Recorded[Any]], timedelta]
"""How long after the delivery of an event to react to it."""

OPEN = """
    SELECT aggregate, aggregate AS work FROM persistent_work
    WHERE reaction = '{name}' AND due_at <= clock_timestamp()"""
ADD = """
    INSERT INTO persistent_work (reaction, aggregate, due_at) VALUES ($1, $2, clock_timestamp() + $3::interval)
    ON CONFLICT DO NOTHING"""
REPEAT = """
    UPDATE persistent_work SET due_at = clock_timestamp() + $3::interval, repeated = true
    WHERE reaction = $1 AND aggregate = $2 AND NOT repeated RETURNING true"""
REMOVE = "DELETE FROM persistent_work WHERE reaction = $1 AND aggregate = $2"


def at_once(_: Recorded[Any]) -> timedelta:
    """React to each event as soon as it is delivered."""
    return timedelta()


def open_work(name: str) -> UnfinishedWork:
    """Return the query for what the reaction `name` has to do: an aggregate has at most one event that it reacts to."""
    return UnfinishedWork(OPEN.format(name=name), lambda recorded: recorded.id)


async def add(name: str, recorded: Recorded[Any], after: After | None, database: Database) -> None:
    """Store what the reaction `name` has to do about an event, if it is persistent, unless it is stored already."""
    if after:
        await database.execute(ADD, name, recorded.id, after(recorded))


async def complete(name: str, recorded: Recorded[Any], again: timedelta | None, database: Database) -> None:
    """Remove what the reaction `name` has done, or have it done again after a time."""
    if not (again and await database.fetchval(REPEAT, name, recorded.id, again)):
        await remove(name, recorded.id, database)


async def remove(name: str, aggregate: UUID, database: Database) -> None:
    """Remove what the reaction `name` has to do."""
    await database.execute(REMOVE, name, aggregate)
