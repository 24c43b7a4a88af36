"""The calls of MCP tools that a lost agent had begun."""

import json
import re
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from contracts.session.settling import LostCall, StoredResult
from eventing.retrying import retry_transient

PREFIX = "mcp__"
SAFE_ID = re.compile(r"[!-~]{1,100}")
LOSE = """
    UPDATE mcp_calls SET lost = result IS NOT NULL
    WHERE session_id = $1 AND run_id = $2 AND tool_use_id = ANY($3) RETURNING tool_use_id, key, result"""


class Database(Protocol):
    """The methods that are used of a connection pool whose search path is the service's schema."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement; return its command tag."""
        ...

    async def fetch(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Return all rows."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row, or None."""
        ...


async def recover_calls(
    database: Database, session_id: UUID, run_id: UUID, calls: Iterable[LostCall]
) -> tuple[list[StoredResult], set[str]]:
    """Keep the results of a lost agent's calls for the next one, which gets them if it makes the same calls.

    Return these results, and the model's ids of the other calls that were begun.
    """
    ids = [id for call in calls if (id := safe_id(call.tool_use_id))]
    if not ids:
        return [], set()
    rows = await retry_transient(partial(database.fetch, LOSE, session_id, run_id, ids))
    results = [_stored_result(row["tool_use_id"], row["result"]) for row in rows if row["result"] is not None]
    # A call has a second row if its storing had to be repeated, after the answer was lost.
    ended = {(row["tool_use_id"], row["key"]) for row in rows if row["result"] is not None}
    return results, {row["tool_use_id"] for row in rows if (row["tool_use_id"], row["key"]) not in ended}


def _stored_result(tool_use_id: str, text: str) -> StoredResult:
    result = json.loads(text)
    content = "\n".join(part["text"] for part in result["content"] if part["type"] == "text")
    return StoredResult(tool_use_id=tool_use_id, output={"content": content}, is_error=bool(result.get("isError")))


def safe_id(tool_use_id: object) -> str | None:
    """Return the id if it can be stored, else None: programs in the sandbox can forge calls."""
    return tool_use_id if isinstance(tool_use_id, str) and SAFE_ID.fullmatch(tool_use_id) else None
