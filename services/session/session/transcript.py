"""The conversations of the agents, kept in PostgreSQL, so that any replica can take any of them up again."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID

from claude_agent_sdk import SessionKey, SessionListSubkeysKey, SessionStoreEntry
from eventing.patience import patiently

COPY_TIMEOUT = 60.0
"""Seconds: enough for gigabytes, but no service hears of events that are younger than a statement that goes."""
# Only while the session exists: an agent may be ended after its session was deleted. Who deletes the session waits for
# an entry that is being added, and then removes it too.
APPEND = """
    WITH existing AS MATERIALIZED (SELECT FROM sessions WHERE id = $1::text::uuid FOR KEY SHARE), appended AS (
        INSERT INTO transcript (session_id, subpath, entry_id, type, entry)
        SELECT $1, $2, entry_id, type, entry
        FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS e (entry_id, type, entry, n)
        WHERE EXISTS (SELECT FROM existing)
        ORDER BY n
        ON CONFLICT DO NOTHING
        RETURNING position
    )
    SELECT coalesce(max(position), 0) FROM appended"""
LOAD = "SELECT position, entry FROM transcript WHERE session_id = $1 AND subpath = $2 ORDER BY position"
DELETE = "DELETE FROM transcript WHERE session_id = $1 AND (subpath = $2 OR $2 = '')"
SUBPATHS = "SELECT DISTINCT subpath FROM transcript WHERE session_id = $1 AND subpath <> ''"
LAST = "SELECT coalesce(max(position), 0) FROM transcript WHERE session_id = $1"
# Up to the entry of the first message that the other session is not to know: an entry of a message has its id. What the
# agent noted about its queue is left out, because it stands before the message that it is about.
COPY = """
    INSERT INTO transcript (session_id, subpath, entry_id, type, entry)
    SELECT $2::text, subpath, entry_id, type,
        replace(entry, '"sessionId": "' || $1::text || '"', '"sessionId": "' || $2::text || '"')
    FROM transcript
    WHERE session_id = $1::text AND type <> 'queue-operation'
        AND NOT EXISTS (SELECT FROM transcript WHERE session_id = $2::text)
        AND position < coalesce((
            SELECT min(position) FROM transcript JOIN messages ON entry_id = messages.id::text
            WHERE transcript.session_id = $1::text AND subpath = ''
                AND messages.session_id = $1::uuid AND sequence_number > $3
        ), 9223372036854775807)
    ORDER BY position"""
BEGUN = (
    "SELECT EXISTS (SELECT FROM transcript WHERE session_id = $1 AND subpath = '' AND type IN ('user', 'assistant'))"
)


class Database(Protocol):
    """What this needs of a connection pool whose search path is the service's schema."""

    async def execute(self, query: str, *args: object, within: float | None = None) -> str:
        """Run a statement, for so many seconds at most if not for as many as usual."""
        ...

    async def fetch(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Give all rows."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row."""
        ...


class Transcript:
    """The SDK's session store, as one agent of a session sees it.

    Where an agent ran (the SDK's project key) plays no part: the next one may run elsewhere. A database that is away is
    waited for, for half a minute; the SDK would give up after a second, and the run with it.
    """

    def __init__(self, database: Database, session: str) -> None:
        self._database, self._session = database, session
        self._seen = 0
        self._calls, self._grown = set[str](), asyncio.Event()

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Add the entries in their order; those that are there already are left out, and all if the session is gone.

        Raises:
            PermissionError: they are of another session. What an agent runs can write anything in the agent's name.
        """
        if key["session_id"] != self._session:
            raise PermissionError(f"the agent of session {self._session} writes to {key['session_id']!r}")
        ids = [entry.get("uuid") for entry in entries]
        types = [entry["type"] for entry in entries]
        texts = [json.dumps(entry) for entry in entries]
        row = key["session_id"], key.get("subpath", ""), ids, types, texts
        last = await patiently(lambda: self._database.fetchval(APPEND, *row))
        self._seen = max(self._seen, last)
        self._calls.update(call for entry in entries for call in _calls(entry))
        self._grown.set()

    async def holds(self, tool_use_id: str, seconds: float) -> None:
        """Wait until the agent's message with this tool call is stored, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while tool_use_id not in self._calls:
                    self._grown.clear()
                    await self._grown.wait()

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """Give all entries in their order, or None when there are none."""
        rows = await patiently(lambda: self._database.fetch(LOAD, key["session_id"], key.get("subpath", "")))
        self._seen = max(self._seen, *(row["position"] for row in rows), 0)
        return [json.loads(row["entry"]) for row in rows] or None

    async def delete(self, key: SessionKey) -> None:
        """Remove a conversation with those of its subagents, or that of one subagent."""
        await self._database.execute(DELETE, key["session_id"], key.get("subpath", ""))

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """Name the conversations of the subagents."""
        return [row["subpath"] for row in await self._database.fetch(SUBPATHS, key["session_id"])]

    async def begun(self) -> bool:
        """Whether there is a conversation that an agent can take up; some entries come before its first word."""
        return bool(await patiently(lambda: self._database.fetchval(BEGUN, self._session)))

    async def moved_on(self) -> bool:
        """Whether another agent has gone on with the conversation since this one last read or wrote."""
        return await patiently(lambda: self._database.fetchval(LAST, self._session)) > self._seen


def _calls(entry: Mapping[str, Any]) -> Iterator[str]:
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
    """The conversations of all sessions."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def open(self, session_id: UUID) -> Transcript:
        """Give what an agent of this session reads and writes; each agent needs one of its own."""
        return Transcript(self.database, str(session_id))

    async def copy(self, session_id: UUID, fork_id: UUID, messages: int) -> None:
        """Let a session that has no conversation yet know the first `messages` of another one."""
        await self.database.execute(COPY, str(session_id), str(fork_id), messages, within=COPY_TIMEOUT)

    async def delete_session(self, session_id: UUID) -> None:
        """Forget a session's conversation, and those of its subagents."""
        await self.database.execute(DELETE, str(session_id), "")
