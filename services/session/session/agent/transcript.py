"""The conversations of the agents, kept in PostgreSQL, so that any replica can take any of them up again."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import UUID

from contracts.refusals import Code, Refusal
from eventing.retrying import retry_transient
from runtime.waiters import Waiters

CONVERSATION_BYTES = 128 * 2**20
"""How large a conversation may become, with those of its subagents, as JSON."""
CHUNK_BYTES = 2**20
"""About so much of a conversation is read, written or copied at a time."""
COPIES_AT_ONCE = 2
MAX_SUBAGENTS = 1000
"""Of so many subagents an agent that takes the conversation up finds the conversations, the newest."""
# No dot, so that no file of one can be the folder of another.
SUBPATH = re.compile(r"[\w-]{1,100}(/[\w-]{1,100}){1,4}", re.ASCII)
SAFE_COLUMN = re.compile(r"[ -~]{1,100}")
METADATA = "agent_metadata"

# The row of the conversation says whose agent may write. It stays locked until the entries are there, so whoever starts
# another run, or deletes the session, waits for them; whoever comes after that adds nothing.
APPEND = """
    WITH current AS MATERIALIZED (
        UPDATE conversations SET bytes = bytes + (SELECT sum(octet_length(entry)) FROM unnest($5::text[]) e (entry))
        WHERE session_id = $1::text::uuid AND run_id IS NOT DISTINCT FROM $6 AND attempt = $7
        RETURNING bytes
    ), appended AS (
        INSERT INTO transcript (session_id, subpath, entry_id, type, entry)
        SELECT $1, $2, entry_id, type, entry
        FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS e (entry_id, type, entry, n)
        WHERE EXISTS (SELECT FROM current WHERE bytes <= $8)
        ORDER BY n
        ON CONFLICT DO NOTHING
        RETURNING position
    )
    SELECT (SELECT bytes FROM current) AS bytes, coalesce(max(position), 0) AS last FROM appended"""
# The sum leaves out what lies outside the row's own page, so that only what is given is read.
READ_CHUNK = """
    SELECT position, type, entry FROM (
        SELECT position, type, entry, sum(octet_length(entry)) OVER (ORDER BY position) - octet_length(entry) AS before
        FROM (
            SELECT position, type, entry FROM transcript
            WHERE session_id = $1 AND subpath = $2 AND position > $3 ORDER BY position LIMIT 1000
        ) AS following
    ) AS summed
    WHERE before < $4 ORDER BY position"""
DELETE = "DELETE FROM transcript WHERE session_id = $1"
SUBPATHS = """
    SELECT subpath FROM transcript WHERE session_id = $1 AND subpath <> ''
    GROUP BY subpath ORDER BY max(position) DESC LIMIT $2"""
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM transcript WHERE session_id = $1"
IS_RESUMABLE = (
    "SELECT EXISTS (SELECT FROM transcript WHERE session_id = $1 AND subpath = '' AND type IN ('user', 'assistant'))"
)
CREATE_CONVERSATION = """
    INSERT INTO conversations (session_id) SELECT id FROM sessions WHERE id = $1 ON CONFLICT DO NOTHING"""
# Up to the entry of the first message that the other session is not to know: an entry of a message has its id.
BOUNDARY = """
    SELECT coalesce(min(position), 9223372036854775807) FROM transcript JOIN messages ON entry_id = messages.id::text
    WHERE transcript.session_id = $1::uuid::text AND subpath = ''
        AND messages.session_id = $1 AND sequence_number > $2"""
# The fork's row says how far it is, and is locked meanwhile: two workers take turns, and a third goes on for both. What
# the agent noted about its queue is left out, because it stands before the message that it is about.
COPY = """
    WITH fork AS MATERIALIZED (
        SELECT copied FROM conversations WHERE session_id = $2::uuid AND copied < $3 FOR UPDATE
    ), chunk AS MATERIALIZED (
        SELECT position, subpath, entry_id, type, entry FROM (
            SELECT *, sum(octet_length(entry)) OVER (ORDER BY position) - octet_length(entry) AS before FROM (
                SELECT * FROM transcript
                WHERE session_id = $1::uuid::text AND position > (SELECT copied FROM fork) AND position < $3
                ORDER BY position LIMIT 1000
            ) AS following
        ) AS summed
        WHERE before < $4
    ), copied AS (
        INSERT INTO transcript (session_id, subpath, entry_id, type, entry)
        SELECT $2::uuid::text, subpath, entry_id, type,
            replace(entry, '"sessionId": "' || $1::uuid || '"', '"sessionId": "' || $2::uuid || '"')
        FROM chunk WHERE type <> 'queue-operation'
        ORDER BY position
        ON CONFLICT DO NOTHING
    )
    UPDATE conversations SET
        copied = (SELECT coalesce(max(position), 9223372036854775807) FROM chunk),
        bytes = bytes + (SELECT coalesce(sum(octet_length(entry)), 0) FROM chunk)
    WHERE session_id = $2::uuid AND EXISTS (SELECT FROM fork)
    RETURNING copied"""
RESET_SIZE = "UPDATE conversations SET bytes = 0 WHERE session_id = $1"


class Database(Protocol):
    """What this needs of a connection pool whose search path is the service's schema."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement."""
        ...

    async def fetch(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Give all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> dict[str, Any] | None:
        """Give the first row."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row."""
        ...


class WriterReplaced(Exception):
    """The agent works for no run any more: another one has the conversation, or somebody ended its run."""


class ConversationNotWritten(Exception):
    """A conversation could not be written into files."""


class Transcript:
    """The conversation of one session, as one agent sees it; `set_writer` says in whose name that adds to it.

    A database that is away is waited for, for half a minute.
    """

    def __init__(self, database: Database, session: str) -> None:
        self._database, self.session = database, session
        self._last_position = 0
        self._run: tuple[UUID | None, int] = (None, 0)
        self._stored_calls, self._call_waiters = set[str](), Waiters[str]()

    def set_writer(self, run_id: UUID | None, attempt: int) -> None:
        """Add what comes from now on in the name of this run, and of its worker with this `attempt`."""
        self._run = run_id, attempt
        self._stored_calls.clear()

    async def append(self, subpath: str, entries: list[Any]) -> None:
        """Add the entries in their order, to the conversation or to that of a subagent; what is there is left out.

        Raises:
            WriterReplaced: another run was started, or the agent's was ended by others; nothing is added.
            Refusal: CONVERSATION_FULL; nothing is added.
            ValueError: these are no entries, or the subpath could not be that of a subagent.
        """
        if subpath and not SUBPATH.fullmatch(subpath):
            raise ValueError("no path of a subagent")
        if not entries:
            return
        ids, types, texts = await asyncio.to_thread(_columns, entries)
        row = self.session, subpath, ids, types, texts, *self._run, CONVERSATION_BYTES
        stored = await retry_transient(partial(self._database.fetchrow, APPEND, *row))
        if stored is None or stored["bytes"] is None:
            raise WriterReplaced
        if stored["bytes"] > CONVERSATION_BYTES:
            raise Refusal(Code.CONVERSATION_FULL, f"A conversation holds {CONVERSATION_BYTES} bytes at most.")
        self._last_position = max(self._last_position, stored["last"])
        for call in (call for entry in entries for call in _tool_use_ids(entry)):
            self._stored_calls.add(call)
            self._call_waiters.wake(call)

    async def wait_stored(self, tool_use_id: str, seconds: float) -> None:
        """Wait until the agent's message with this tool call is stored, at most so long."""
        with self._call_waiters.waiting(tool_use_id) as waiter:
            if tool_use_id not in self._stored_calls:
                await waiter.wait(seconds)

    async def chunks(self, subpath: str = "") -> AsyncGenerator[list[dict[str, Any]]]:
        """Give all entries in their order, about `CHUNK_BYTES` at a time; each with its `type` and its text."""
        after = 0
        while rows := await self._chunk(subpath, after):
            after = rows[-1]["position"]
            self._last_position = max(self._last_position, after)
            yield rows

    async def _chunk(self, subpath: str, after: int) -> list[dict[str, Any]]:
        row = self.session, subpath, after, CHUNK_BYTES
        return await retry_transient(partial(self._database.fetch, READ_CHUNK, *row))

    async def subagents(self) -> list[str]:
        """Name the conversations of the subagents, the newest first."""
        rows = await retry_transient(partial(self._database.fetch, SUBPATHS, self.session, MAX_SUBAGENTS))
        return [row["subpath"] for row in rows]

    async def write_to(self, folder: Path) -> None:
        """Write the conversation, and those of its subagents, into the files in which an agent keeps them.

        Raises:
            ConversationNotWritten: the disk takes no more.
        """
        await self._write(folder / f"{self.session}.jsonl", "")
        for subpath in await self.subagents():
            if SUBPATH.fullmatch(subpath):
                await self._write(folder / self.session / f"{subpath}.jsonl", subpath)

    async def _write(self, path: Path, subpath: str) -> None:
        async for rows in self.chunks(subpath):
            try:
                await asyncio.to_thread(_write_rows, path, rows)
            except OSError as error:
                raise ConversationNotWritten(str(error)) from error

    async def is_resumable(self) -> bool:
        """Whether there is a conversation that an agent can take up; some entries come before its first word."""
        return bool(await retry_transient(partial(self._database.fetchval, IS_RESUMABLE, self.session)))

    async def has_advanced(self) -> bool:
        """Whether another agent has gone on with the conversation since this one last read or wrote."""
        return (
            await retry_transient(partial(self._database.fetchval, LAST_POSITION, self.session)) > self._last_position
        )


def _columns(entries: list[Any]) -> tuple[list[str | None], list[str], list[str]]:
    ids: list[str | None] = []
    types: list[str] = []
    for entry in entries:
        kind = _safe_column(cast(dict[str, Any], entry).get("type")) if isinstance(entry, dict) else None
        if kind is None:
            raise ValueError("no entry of a conversation")
        types.append(kind)
        ids.append(_safe_column(cast(dict[str, Any], entry).get("uuid")))
    return ids, types, [json.dumps(entry) for entry in entries]


def _safe_column(value: Any) -> str | None:
    """Return what can stand in a column and its index, or None: what runs in there can write anything."""
    return value if isinstance(value, str) and SAFE_COLUMN.fullmatch(value) else None


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{row['entry']}\n" for row in rows if row["type"] != METADATA)
    for row in rows:
        if row["type"] == METADATA:  # the last one holds
            known = {name: value for name, value in json.loads(row["entry"]).items() if name != "type"}
            path.with_suffix(".meta.json").write_text(json.dumps(known), encoding="utf-8")


def _tool_use_ids(entry: Mapping[str, Any]) -> Iterator[str]:
    match entry:
        case {"message": {"content": [*blocks]}}:
            for block in blocks:
                match block:
                    case {"type": "tool_use", "id": str(id)}:
                        yield id
                    case _:
                        pass
        case _:
            pass


class Transcripts:
    """The conversations of all sessions. Copying has connections of its own, so that nobody waits for it."""

    def __init__(self, database: Database, copy_database: Database | None = None) -> None:
        self.database, self._copy_database = database, copy_database or database

    def open(self, session_id: UUID) -> Transcript:
        """Give what an agent of this session reads and writes; each agent needs one of its own."""
        return Transcript(self.database, str(session_id))

    async def copy(self, session_id: UUID, fork_id: UUID, messages: int) -> None:
        """Let a fork know the first `messages` of its parent; one that was broken off goes on where it was."""
        await self._copy_database.execute(CREATE_CONVERSATION, fork_id)
        boundary, unfinished = await self._copy_database.fetchval(BOUNDARY, session_id, messages), True
        while unfinished:
            row = session_id, fork_id, boundary, CHUNK_BYTES
            unfinished = await self._copy_database.fetchval(COPY, *row) is not None

    async def delete_session(self, session_id: UUID) -> None:
        """Forget a session's conversation, and those of its subagents."""
        await self.database.execute(DELETE, str(session_id))
        await self.database.execute(RESET_SIZE, session_id)
