"""The transcripts of agents, stored in PostgreSQL so that any replica can resume any conversation."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import UUID

from contracts.refusals import Code, Refusal
from eventing.retrying import retry_transient

from session.agent.stored_calls import StoredCalls, ended_calls
from session.mcp.recovered_calls import safe_id

CONVERSATION_BYTES = 128 * 2**20
"""The maximum size of a conversation, with those of its subagents, as JSON."""
CHUNK_BYTES = 2**20
"""The approximate size of the chunks in which a conversation is read, written and copied."""
COPIES_AT_ONCE = 2
ENTRY_SECONDS = 2.0
"""How long messages of a turn wait for an entry that does not come: Claude Code adds it at the end of the message."""
MAX_SUBAGENTS = 1000
"""The number of subagent conversations that are restored for a resumed agent, the newest."""
# Without dots, so that the file of one conversation cannot be the folder of another.
SUBPATH = re.compile(r"[\w-]{1,100}(/[\w-]{1,100}){1,4}", re.ASCII)
SAFE_COLUMN = re.compile(r"[ -~]{1,100}")
METADATA = "agent_metadata"

# The row in `conversations` names the run and attempt whose agent may write (fencing). It stays locked until the
# entries are inserted: a transaction that starts another run or deletes the session waits for them, and afterwards the
# update matches no row, so a late agent adds nothing. Calls whose results are stored are no longer kept as begun.
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
    ), settled AS (
        DELETE FROM begun_calls WHERE session_id = $1::text::uuid AND run_id = $6 AND tool_use_id = ANY($9::text[])
            AND EXISTS (SELECT FROM current WHERE bytes <= $8)
    )
    SELECT (SELECT bytes FROM current) AS bytes, coalesce(max(position), 0) AS last FROM appended"""
# The sum excludes the row's own entry, which may be stored out of line: PostgreSQL then reads only the returned
# entries.
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
# The position of the first message that the fork does not take over. The entry of a message has an id of its own if the
# agent wrote it, and the message's id otherwise.
BOUNDARY = """
    SELECT coalesce(min(position), 9223372036854775807) FROM transcript JOIN messages
        ON transcript.entry_id = coalesce(messages.entry_id, messages.id)::text
    WHERE transcript.session_id = $1::uuid::text AND subpath = ''
        AND messages.session_id = $1 AND sequence_number > $2"""
# The fork's row records how far the copy is, and is locked for each chunk: two workers take turns, and a third
# continues after both. Entries about the prompt queue are left out, because they precede the message that they refer
# to.
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
    """The methods that are used of a connection pool whose search path is the service's schema."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement; return its command tag."""
        ...

    async def fetch(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> dict[str, Any] | None:
        """Return the first row, or None."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row, or None."""
        ...


class WriterReplaced(Exception):
    """The agent may not write any more: its conversation belongs to another run, or its run was ended by others."""


class ConversationNotWritten(Exception):
    """A conversation could not be written to files."""


class Transcript:
    """The conversation of one session, as one agent sees it; `set_writer` says for which run it writes.

    An agent that was started before the session was known has another id for it, `name`. Database errors that may pass
    are retried for half a minute.
    """

    def __init__(self, database: Database, session: str, name: str | None = None) -> None:
        self._database, self.session, self.name = database, session, name or session
        self._last_position, self._patience = 0, ENTRY_SECONDS
        self._run: tuple[UUID | None, int] = (None, 0)
        self.calls = StoredCalls()

    def set_writer(self, run_id: UUID | None, attempt: int) -> None:
        """Add later entries on behalf of this run, and of its worker with this `attempt`."""
        self._run, self._patience = (run_id, attempt), ENTRY_SECONDS
        self.calls.clear()

    async def append(self, subpath: str, entries: list[Any]) -> None:
        """Append entries to the conversation at `subpath` ('' is the main one); stored entries are skipped.

        Raises:
            WriterReplaced: another run was started, or the agent's run was ended by others; nothing is added.
            Refusal: CONVERSATION_FULL; nothing is added.
            ValueError: the entries are invalid, or the subpath is not one of a subagent.
        """
        if subpath and not SUBPATH.fullmatch(subpath):
            raise ValueError("not the path of a subagent")
        if not entries:
            return
        ids, types, texts = await asyncio.to_thread(_columns, entries)
        texts = [text.replace(_member(self.name), _member(self.session)) for text in texts]
        ended = [call for call in ended_calls(entries) if safe_id(call)]
        row = self.session, subpath, ids, types, texts, *self._run, CONVERSATION_BYTES, ended
        stored = await retry_transient(partial(self._database.fetchrow, APPEND, *row))
        if stored is None or stored["bytes"] is None:
            raise WriterReplaced
        if stored["bytes"] > CONVERSATION_BYTES:
            raise Refusal(Code.CONVERSATION_FULL, f"A conversation has at most {CONVERSATION_BYTES} bytes.")
        self._last_position = max(self._last_position, stored["last"])
        self.calls.note(entries)

    async def may_record(self, entry: UUID | None, is_kept: Callable[[], bool]) -> bool:
        """Return whether a message with this entry may be recorded: once it is stored, so that the next agent knows it.

        Without one, the next agent writes the message again; if there will be none, `is_kept` returns true. Once a
        message of a turn has waited in vain, no other waits: programs in the sandbox can forge messages.
        """
        if entry is None or await self.calls.wait_stored(str(entry), self._patience):
            return True
        self._patience = 0.0
        return is_kept()

    async def chunks(self, subpath: str = "") -> AsyncGenerator[list[dict[str, Any]]]:
        """Yield all entries in order, about `CHUNK_BYTES` at a time.

        Each row has the `type` of an entry and its text, `entry`.
        """
        after = 0
        while rows := await self._chunk(subpath, after):
            after = rows[-1]["position"]
            self._last_position = max(self._last_position, after)
            yield rows

    async def _chunk(self, subpath: str, after: int) -> list[dict[str, Any]]:
        row = self.session, subpath, after, CHUNK_BYTES
        return await retry_transient(partial(self._database.fetch, READ_CHUNK, *row))

    async def subagents(self) -> list[str]:
        """Return the subpaths of the subagents' conversations, the newest first."""
        rows = await retry_transient(partial(self._database.fetch, SUBPATHS, self.session, MAX_SUBAGENTS))
        return [row["subpath"] for row in rows]

    async def write_to(self, folder: Path) -> None:
        """Write the conversation, and those of its subagents, as the files from which an agent resumes.

        Raises:
            ConversationNotWritten: a file could not be written, for example because the disk is full.
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
        """Return whether there is a conversation to resume; the entries before its first message do not count."""
        return bool(await retry_transient(partial(self._database.fetchval, IS_RESUMABLE, self.session)))

    async def has_advanced(self) -> bool:
        """Return whether another agent has added to the conversation since this one last read or wrote."""
        return (
            await retry_transient(partial(self._database.fetchval, LAST_POSITION, self.session)) > self._last_position
        )


def _columns(entries: list[Any]) -> tuple[list[str | None], list[str], list[str]]:
    ids: list[str | None] = []
    types: list[str] = []
    for entry in entries:
        kind = _safe_column(cast(dict[str, Any], entry).get("type")) if isinstance(entry, dict) else None
        if kind is None:
            raise ValueError("not an entry of a conversation")
        types.append(kind)
        ids.append(_safe_column(cast(dict[str, Any], entry).get("uuid")))
    return ids, types, [json.dumps(entry) for entry in entries]


def _member(session: str) -> str:  # inside of a string, it has other quotes
    return f'"sessionId": "{session}"'


def _safe_column(value: Any) -> str | None:
    """Return the value if it can be stored in an indexed column, else None: entries can be forged by programs."""
    return value if isinstance(value, str) and SAFE_COLUMN.fullmatch(value) else None


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{row['entry']}\n" for row in rows if row["type"] != METADATA)
    for row in rows:
        if row["type"] == METADATA:  # the last one counts
            metadata = {name: value for name, value in json.loads(row["entry"]).items() if name != "type"}
            path.with_suffix(".meta.json").write_text(json.dumps(metadata), encoding="utf-8")


class Transcripts:
    """The conversations of all sessions.

    Copying uses connections of its own, so that other work does not wait for it.
    """

    def __init__(self, database: Database, copy_database: Database | None = None) -> None:
        self.database, self._copy_database = database, copy_database or database

    def open(self, session_id: UUID, name: UUID | None = None) -> Transcript:
        """Return a new `Transcript` of the session, which its agent knows by `name`; each agent needs its own."""
        return Transcript(self.database, str(session_id), str(name) if name else None)

    async def copy(self, session_id: UUID, fork_id: UUID, messages: int) -> None:
        """Copy the first `messages` messages of a session to a fork, continuing a copy that was interrupted."""
        await self._copy_database.execute(CREATE_CONVERSATION, fork_id)
        boundary, unfinished = await self._copy_database.fetchval(BOUNDARY, session_id, messages), True
        while unfinished:
            row = session_id, fork_id, boundary, CHUNK_BYTES
            unfinished = await self._copy_database.fetchval(COPY, *row) is not None

    async def delete_session(self, session_id: UUID) -> None:
        """Delete a session's conversation, and those of its subagents."""
        await self.database.execute(DELETE, str(session_id))
        await self.database.execute(RESET_SIZE, session_id)
