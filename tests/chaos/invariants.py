"""Invariants after all faults have ended and the system is idle."""

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.messages import Event
from contracts.wire import event_stream
from eventing.database import Database, Row
from identity.app import service as identity
from runtime import bus
from runtime.bus import ordered
from runtime.bus.jetstream import jetstream
from runtime.testing import eventually
from session.app import service as session

from tests.chaos.users import Held
from tests.chaos.waiting import QUIET_SECONDS, settles

ENDS = ("completed", "failed", "cancelled")
TOTALS = """
    SELECT status, coalesce(t.n, 0) AS counted, coalesce(s.n, 0) AS there
    FROM (SELECT status, sum(n) AS n FROM session_totals GROUP BY 1) AS t
    FULL JOIN (SELECT status, count(*) AS n FROM sessions GROUP BY 1) AS s USING (status)
    WHERE coalesce(t.n, 0) <> coalesce(s.n, 0)"""
WAITING = """
    SELECT (SELECT count(*) FROM runs WHERE ended_at IS NULL)
        + (SELECT count(*) FROM task_scheduler.executions WHERE completed_at IS NULL)"""
STUCK_RUNS = """
    SELECT id, status, attempt, newest.topic, newest.recorded_at FROM runs LEFT JOIN LATERAL (
        SELECT split_part(topic, ';', 1) AS topic, recorded_at FROM events
        WHERE originator_id = runs.session_id ORDER BY originator_version DESC LIMIT 1) AS newest ON true
    WHERE ended_at IS NULL"""
# An execution that its read model did not have yet may have begun a run.
BUSY_WITHOUT_RUN = """
    SELECT id, status FROM sessions WHERE status IN ('processing', 'waiting')
        AND NOT EXISTS (SELECT FROM runs WHERE session_id = sessions.id AND ended_at IS NULL)"""


async def violations(
    database_url: str, nats_url: str, workspaces: Path, sessions: list[Held], forks: list[str]
) -> list[str]:
    """Return what does not hold, a sentence each."""
    async with Database.open(database_url, session.name) as database:
        found = await _stuck(database)
        found += await _relayed(database, sessions, forks)
        found += await _twice(database)
        found += await totals(database)
        for held in sessions:
            found += _words(held, await _runs(database, held.id), workspaces / held.id / "words.txt")
            found += await _memory(database, held)
        found += await on_the_bus(database, nats_url, session.events)
    async with Database.open(database_url, identity.name) as database:
        found += await on_the_bus(database, nats_url, identity.events)
    return found


async def outcomes(database_url: str) -> Counter[str]:
    """Count how runs ended."""
    async with Database.open(database_url, session.name) as database:
        rows = await database.fetch("SELECT status, coalesce(error_code, '') AS code FROM runs")
    return Counter(f"{row['status']} {row['code']}".strip() for row in rows)


async def _stuck(database: Database) -> list[str]:
    unfinished = {name: one.unfinished.statement for name, one in session.reactions.by_name.items() if one.unfinished}

    async def names() -> list[str]:
        return [name for name, statement in unfinished.items() if await database.fetch(statement)]

    async def quiet() -> bool:
        return not await database.fetchval(WAITING) and not await names()

    found: list[str] = []
    if not await settles(database, quiet):
        runs = await database.fetch(STUCK_RUNS)
        jobs = await database.fetch("SELECT id, status FROM sessions WHERE NOT ready AND error_code IS NULL")
        found += [
            f"stuck: run {row['id']}, {row['status']}, attempt {row['attempt']}, "
            f"the last event of its session: {row['topic']} at {row['recorded_at']}"
            for row in runs
        ]
        found += [f"stuck: session {row['id']}, {row['status']}, is not ready" for row in jobs]
        found += [f"stuck: work of {name} is unfinished" for name in await names()]
    busy = await database.fetch(BUSY_WITHOUT_RUN)
    return found + [f"session {row['id']} is {row['status']}, though nothing goes in it" for row in busy]


async def _relayed(database: Database, sessions: list[Held], forks: list[str]) -> list[str]:
    """Find what was acknowledged, and is not so."""
    found: list[str] = []
    rows = {str(row["id"]): row for row in await database.fetch("SELECT id, name, ready, error_code FROM sessions")}
    found += [f"session {held.id} is gone" for held in sessions if held.id not in rows]
    found += [f"fork {fork} is gone" for fork in forks if fork not in rows]
    for held in sessions:
        if held.id in rows and rows[held.id]["name"] not in held.names:
            found.append(f"session {held.id} has lost its name: {rows[held.id]['name']} is none of {held.names}")
        runs = {str(row["id"]): row for row in await _runs(database, held.id)}
        found += [f"run {run} was acknowledged, and is gone" for run in held.runs if run not in runs]
        lost = [run for run in held.cancelled if run in runs and runs[run]["status"] != "cancelled"]
        found += [f"run {run} was cancelled, and is {runs[run]['status']}" for run in lost]
    return found


async def _twice(database: Database) -> list[str]:
    """Find attempts that were begun, and runs that were ended, more than once."""
    rows = await database.fetch(
        "SELECT split_part(topic, ';', 1) AS kind, convert_from(state, 'UTF8')::json ->> 'run_id' AS run, "
        "coalesce(convert_from(state, 'UTF8')::json ->> 'attempt', '') AS attempt, count(*) AS n "
        "FROM events WHERE topic ~ '^evt.session.run_(started|completed|failed|cancelled);' GROUP BY 1, 2, 3"
    )
    begun, ended = Counter[tuple[str, str]](), Counter[str]()
    for row in rows:
        if row["kind"].endswith("started"):
            begun[row["run"], row["attempt"]] += row["n"]
        else:
            ended[row["run"]] += row["n"]
    found = [f"attempt {attempt} of run {run} was begun {n} times" for (run, attempt), n in begun.items() if n > 1]
    return found + [f"run {run} has {n} ends" for run, n in ended.items() if n > 1]


async def totals(database: Database) -> list[str]:
    """Find totals that are not what the sessions add up to."""
    rows = await database.fetch(TOTALS)
    return [f"{row['there']} sessions are {row['status']}, and {row['counted']} are counted" for row in rows]


async def left(database_url: str, workspaces: Path, deleted: list[str]) -> list[str]:
    """Return what is left of deleted sessions, a sentence each; their files and conversations may take a while."""
    async with Database.open(database_url, session.name) as database:
        there = "SELECT id::text FROM sessions WHERE id::text = ANY($1)"
        found = [f"session {row['id']} was deleted, and is there" for row in await database.fetch(there, deleted)]

        async def gone() -> bool:
            remembered = "SELECT count(*) FROM transcript WHERE session_id = ANY($1)"
            files = any((workspaces / each).exists() for each in deleted)
            return not files and not await database.fetchval(remembered, deleted)

        try:
            await eventually(gone, within=QUIET_SECONDS)
        except TimeoutError:
            found.append(f"of these deleted sessions, some files or conversations are left: {deleted}")
    return found


def _words(held: Held, runs: list[Row], file: Path) -> list[str]:
    """Find work that was done twice, or that is said to be done, and is not."""
    written = Counter(file.read_text().split() if file.exists() else [])
    found = [f"session {held.id}: {word} was written {n} times" for word, n in written.items() if n > 1]
    done = {str(run["id"]) for run in runs if run["status"] == "completed"}
    missing = [run for run, word in held.runs.items() if run in done and not written[word]]
    return found + [f"run {run} is completed, and its word is missing" for run in missing]


async def _memory(database: Database, held: Held) -> list[str]:
    """Find what the agent does not remember of its completed runs, or remembers in another order."""
    rows = await database.fetch(
        "SELECT entry FROM transcript WHERE session_id = $1 AND subpath = '' ORDER BY position", held.id
    )
    entries = [json.loads(row["entry"]) for row in rows]
    messages = await database.fetch(
        "SELECT m.id, m.message_type, m.content ->> 'content' AS text FROM messages m JOIN runs r ON r.id = m.run_id "
        "WHERE m.session_id = $1 AND r.status = 'completed' AND m.content ->> 'content' <> '' ORDER BY sequence_number",
        UUID(held.id),
    )
    remembered = [text for entry in _conversation(entries) for text in _texts(entry)]
    if missing := _not_in_order([row["text"] for row in messages], remembered):
        return [f"session {held.id}: the agent does not remember, in its place, {missing!r}"]
    return []


def _conversation(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what leads to the last entry: what is on no way to it, the agent has forgotten."""
    spoken = {entry["uuid"]: entry for entry in entries if entry.get("uuid")}
    ends = [entry for entry in spoken.values() if entry.get("type") in ("user", "assistant")]
    way: list[dict[str, Any]] = []
    entry = ends[-1] if ends else None
    while entry is not None:
        way.append(entry)
        entry = spoken.get(entry.get("parentUuid") or entry.get("logicalParentUuid") or "")
    return way[::-1]


def _texts(entry: dict[str, Any]) -> Iterable[str]:
    content = entry.get("message", {}).get("content", "")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [block["text"] for block in blocks if block.get("type") == "text"]


def _not_in_order(wanted: list[str], given: list[str]) -> str | None:
    """Return the first that does not come, behind those before it."""
    left = iter(given)
    return next((text for text in wanted if text not in left), None)


async def _runs(database: Database, session_id: str) -> list[Row]:
    return await database.fetch("SELECT id, status FROM runs WHERE session_id = $1", UUID(session_id))


async def on_the_bus(database: Database, nats_url: str, kinds: dict[str, type[Event]]) -> list[str]:
    """Find what is on the bus otherwise than in the table: missing, twice, or in another order."""
    relayed: list[tuple[str, int]] = []
    async with bus.connected(nats_url, "chaos") as client:
        js, stream = jetstream(client), event_stream(database.schema)
        least = len(await _published(database, kinds))
        await eventually(lambda: _arrived(js, stream, least), within=QUIET_SECONDS)
        async with aclosing(ordered.messages(js, stream, 0, stored=True)) as batches:
            async for batch in batches:
                heads = [message.headers or {} for message in batch]
                relayed += [(head["ce-subject"], int(head["aggregate-version"])) for head in heads]
    stored = await _published(database, kinds)  # more may have been stored, but none that is on the bus is missing
    place = next((n for n, (one, other) in enumerate(zip(stored, relayed, strict=False)) if one != other), None)
    if place is None and least <= len(relayed) <= len(stored):
        return []
    return [f"{stream}: {len(relayed)} of {len(stored)} events are on the bus, the first that differs is {place}"]


async def _published(database: Database, kinds: dict[str, type[Event]]) -> list[tuple[str, int]]:
    """Return the stored events that are for the bus, in their order."""
    public = [kind.subject for kind in kinds.values() if kind.published]
    rows = await database.fetch(
        "SELECT originator_id, originator_version FROM events WHERE split_part(topic, ';', 1) = ANY($1) "
        "ORDER BY tx, position",
        public,
    )
    return [(str(row["originator_id"]), row["originator_version"]) for row in rows]


async def _arrived(js: Any, stream: str, events: int) -> bool:
    return (await js.stream_info(stream)).state.messages >= events
