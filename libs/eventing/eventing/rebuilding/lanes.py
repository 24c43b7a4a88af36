"""Projects many events at once. Statements of different aggregates that have the same text are sent together.

One by one, each statement would cost a round trip, which takes longer than its work.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import asyncpg
from contracts.messages import Event

from eventing.database import Connection, Row
from eventing.database.deferred import TARGET
from eventing.recording import Recorded

LANE = "lane of a statement"
"""The name of a column that says whose row it is."""
NO_KEY = bytes(32)
"""Seals what is not stored: secrets are not rebuilt."""
TIMEOUT = 600.0
_PARAMETER = re.compile(r"\$(\d+)")
_RETURNS = re.compile(r".*\bRETURNING\b[^()]*", re.DOTALL)

type Project = Callable[[Recorded[Any], Connection], Awaitable[None]]


@dataclass(frozen=True)
class _Statement:
    text: str
    args: tuple[object, ...]
    fetches: bool


class _Result:
    """Rows that a projection waits for."""

    def __await__(self) -> Generator[None, list[Row], list[Row]]:
        return (yield)


class _Lane:
    """The projection of the events of one aggregate: a `Connection` that hands out its statements in their order."""

    def __init__(self, events: Sequence[Recorded[Any]], project: Project, tables: frozenset[str]) -> None:
        self.statements = deque[_Statement]()
        self._tables = tables
        self._work = self._project(events, project)
        self.advance(None)

    def advance(self, rows: list[Row] | None) -> None:
        """Continue with the rows of the statement that the projection waits for, up to the next such statement."""
        with suppress(StopIteration):
            self._work.send(cast(Any, rows))

    async def _project(self, events: Sequence[Recorded[Any]], project: Project) -> None:
        for event in events:
            await project(event, self)

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  asyncpg
        """Put a write in the queue, unless it is to another table; the status is empty."""
        target = _target(query)
        if target is None or target in self._tables:
            self.statements.append(_Statement(query, args, False))
        return ""

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        self.statements.append(_Statement(query, args, True))
        return await _Result()

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row; None if there is none."""
        return next(iter(await self.fetch(query, *args)), None)

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        row = await self.fetchrow(query, *args)
        return next(iter(row.values())) if row else None


async def project_in_order(
    events: Sequence[Recorded[Any]],
    project: Project,
    connection: Connection,
    tables: frozenset[str],
    alone: tuple[type[Event], ...],
) -> None:
    """Project events as `project_aggregates` does, in a transaction.

    If the order of the aggregates matters, such as that of two that have had the same name, each is projected alone.
    """
    try:
        async with cast(Any, connection).transaction():
            await project_aggregates(events, project, [connection], tables, alone)
    except asyncpg.UniqueViolationError:
        await project_aggregates(events, project, [connection], tables, (Event,))


async def project_aggregates(
    events: Sequence[Recorded[Any]],
    project: Project,
    connections: Sequence[Connection],
    tables: frozenset[str],
    alone: tuple[type[Event], ...],
) -> None:
    """Project events, in their order for each aggregate, on some connections at once, and write `tables` only.

    Events of the kinds `alone` are projected after all events before them, and before all after them.
    """
    for part in _parts(events, alone):
        started = [_Lane(own, project, tables) for own in part.values()]
        lanes = [lane for lane in started if lane.statements]
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, connection in enumerate(connections):
                    tasks.create_task(_run(lanes[number :: len(connections)], connection))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


def _parts(
    events: Iterable[Recorded[Any]], alone: tuple[type[Event], ...]
) -> Iterator[dict[UUID, list[Recorded[Any]]]]:
    part = dict[UUID, list[Recorded[Any]]]()
    for event in events:
        is_alone = isinstance(event.event, alone)
        if is_alone:
            yield part
            part = {}
        part.setdefault(event.id, []).append(replace(event, data_key=NO_KEY) if event.event.secret else event)
        if is_alone:
            yield part
            part = {}
    yield part


async def _run(lanes: Sequence[_Lane], connection: Connection) -> None:
    waiting = dict[tuple[str, bool], list[_Lane]]()
    _wait(lanes, waiting)
    while waiting:
        key = max(waiting, key=lambda each: len(waiting[each]))
        group = waiting.pop(key)
        await (_fetch if key[1] else _execute)(key[0], group, connection)
        _wait([lane for lane in group if lane.statements], waiting)


def _wait(lanes: Sequence[_Lane], waiting: dict[tuple[str, bool], list[_Lane]]) -> None:
    for lane in lanes:
        head = lane.statements[0]
        waiting.setdefault((head.text, head.fetches), []).append(lane)


async def _execute(text: str, group: Sequence[_Lane], connection: Connection) -> None:
    args = list[tuple[object, ...]]()
    for lane in group:
        while lane.statements and lane.statements[0].text == text and not lane.statements[0].fetches:
            args.append(lane.statements.popleft().args)
    await cast(Any, connection).executemany(text, args, timeout=TIMEOUT)


async def _fetch(text: str, group: Sequence[_Lane], connection: Connection) -> None:
    numbered = _numbered(text)
    args = [lane.statements.popleft().args for lane in group]
    if numbered is None:
        for lane, own in zip(group, args, strict=True):
            lane.advance([dict(row) for row in await connection.fetch(text, *own)])
        return
    rows = await cast(Any, connection).fetchmany(
        numbered, [(*own, number) for number, own in enumerate(args)], timeout=TIMEOUT
    )
    found = [list[Row]() for _ in group]
    for row in rows:
        values: Row = dict(row)
        number: int = values.pop(LANE)
        found[number].append(values)
    for lane, own in zip(group, found, strict=True):
        lane.advance(own)


@lru_cache(1000)
def _target(query: str) -> str | None:
    """Return the table that a write changes; None if its text does not begin with it."""
    found = TARGET.match(query)
    return found[1] if found else None


@lru_cache(1000)
def _numbered(query: str) -> str | None:
    """Return a query with one more parameter, which it returns with each row; None if that is not possible."""
    own = 1 + max((int(number) for number in _PARAMETER.findall(query)), default=0)
    if query.lstrip().startswith("SELECT"):
        return f'SELECT found.*, ${own}::int AS "{LANE}" FROM ({query}) AS found'  # noqa: S608  a constant
    return f'{query}, ${own}::int AS "{LANE}"' if _RETURNS.fullmatch(query) else None
