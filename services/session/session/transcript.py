"""The conversations of the agents, kept in PostgreSQL, so that any replica can take any of them up again."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from claude_agent_sdk import SessionKey, SessionListSubkeysKey, SessionStore, SessionStoreEntry

APPEND = """
    WITH appended AS (
        INSERT INTO transcript (session_id, subpath, entry_id, type, entry)
        SELECT $1, $2, entry_id, type, entry
        FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS e (entry_id, type, entry, n)
        ORDER BY n
        ON CONFLICT DO NOTHING
        RETURNING position
    )
    SELECT coalesce(max(position), 0) FROM appended"""
LOAD = "SELECT position, entry FROM transcript WHERE session_id = $1 AND subpath = $2 ORDER BY position"
DELETE = "DELETE FROM transcript WHERE session_id = $1 AND (subpath = $2 OR $2 = '')"
SUBPATHS = "SELECT DISTINCT subpath FROM transcript WHERE session_id = $1 AND subpath <> ''"
LAST = "SELECT coalesce(max(position), 0) FROM transcript WHERE session_id = $1"
BEGUN = "SELECT EXISTS (SELECT FROM transcript WHERE session_id = $1 AND subpath = '' AND type IN ('user', 'assistant'))"


class Database(Protocol):
    """What this needs of a connection pool whose search path is the service's schema."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement."""
        ...

    async def fetch(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Give all rows."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row."""
        ...


class Transcript(SessionStore):
    """What one agent reads and writes. Where the agent ran (the SDK's project key) plays no part: it may run elsewhere."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._seen = 0

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Add the entries in their order; those that are there already are left out."""
        ids = [entry.get("uuid") for entry in entries]
        types = [entry["type"] for entry in entries]
        position = await self.database.fetchval(
            APPEND, key["session_id"], key.get("subpath", ""), ids, types, [json.dumps(entry) for entry in entries]
        )
        self._seen = max(self._seen, position)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """Give all entries in their order, or None when there are none."""
        rows = await self.database.fetch(LOAD, key["session_id"], key.get("subpath", ""))
        self._seen = max([self._seen, *(row["position"] for row in rows)])
        return [json.loads(row["entry"]) for row in rows] or None

    async def delete(self, key: SessionKey) -> None:
        """Remove a conversation with those of its subagents, or that of one subagent."""
        await self.database.execute(DELETE, key["session_id"], key.get("subpath", ""))

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """Name the conversations of the subagents."""
        return [row["subpath"] for row in await self.database.fetch(SUBPATHS, key["session_id"])]

    async def begun(self, session_id: str) -> bool:
        """Whether there is a conversation that an agent can take up."""
        return bool(await self.database.fetchval(BEGUN, session_id))

    async def moved_on(self, session_id: str) -> bool:
        """Whether an agent elsewhere has gone on with the conversation since this one last read or wrote."""
        return await self.database.fetchval(LAST, session_id) > self._seen
