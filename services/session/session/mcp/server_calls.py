"""The calls of MCP tools that a run makes, stored before they are made, and their results before they are returned.

A worker that continues the run so knows which calls its lost agent had begun, and the next agent gets the results that
the lost one did not get.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from contracts.session.settling import call_key
from eventing.retrying import retry_transient
from mcp.types import CallToolResult, TextContent
from runtime.logging import get_logger

from session.mcp.recovered_calls import Database, safe_id

log = get_logger()

TOOL_USE_ID = "claudecode/toolUseId"
"""The name under which Claude Code sends the model's id of a call."""
MAX_KEPT = 64
"""The number of results of a run that are kept, the newest: more calls than an agent makes at the same time."""
MAX_RESULT_CHARS = 256 * 1024
TOO_LARGE = "The call has ended, but its result was too large to be kept."
NOT_STORED = "The call could not be stored, so it was not made. Try again later, or continue without it."
# The lock lets a worker that takes over the run wait for the insertion; afterwards there is no row for this attempt.
BEGIN = """
    INSERT INTO mcp_calls (session_id, run_id, key, tool_use_id)
    SELECT session_id, run_id, $4, $5 FROM (
        SELECT session_id, run_id FROM conversations WHERE session_id = $1 AND run_id = $2 AND attempt = $3 FOR SHARE
    ) AS writer
    RETURNING id"""
END = """
    WITH ended AS (UPDATE mcp_calls SET result = $4 WHERE id = $1)
    DELETE FROM mcp_calls WHERE session_id = $2 AND run_id = $3 AND result IS NOT NULL AND NOT lost AND id <= (
        SELECT id FROM mcp_calls WHERE session_id = $2 AND run_id = $3 AND result IS NOT NULL
        ORDER BY id DESC OFFSET $5 LIMIT 1)"""
LOST = """
    SELECT id FROM mcp_calls WHERE session_id = $1 AND run_id = $2 AND key = $3 AND lost ORDER BY id LIMIT 1"""
# Under the same lock: a late worker would take the result from the next agent, which would then make the call again.
# A repetition, after the answer was lost, returns the result again.
TAKE = """
    WITH writer AS MATERIALIZED (
        SELECT session_id FROM conversations WHERE session_id = $1 AND run_id = $2 AND attempt = $3 FOR SHARE
    )
    UPDATE mcp_calls SET lost = false, tool_use_id = $5 WHERE EXISTS (SELECT FROM writer) AND id = $4
    RETURNING result"""


class ServerCalls:
    """The calls of one agent; `writer` returns the run for which it makes them, and the attempt of its worker."""

    def __init__(self, database: Database, session_id: UUID, writer: Callable[[], tuple[UUID | None, int]]) -> None:
        self._database, self._session, self._writer = database, session_id, writer
        self._taking, self._unsure = asyncio.Lock(), dict[tuple[UUID, UUID], int]()

    async def call(
        self,
        name: str,
        arguments: dict[str, Any],
        tool_use_id: object,
        make: Callable[[], Awaitable[CallToolResult]],
    ) -> CallToolResult:
        """Store a call, make it, and store and return its result; or return the result that a lost agent did not get.

        `make` must not raise. The call is not made if it cannot be stored, or if the worker has lost its run. An agent
        that works for no run makes calls that are stored nowhere.
        """
        run_id, attempt = self._writer()
        if run_id is None:
            return await make()
        key, id = call_key(name, arguments), safe_id(tool_use_id)
        try:
            if attempt > 1 and (taken := await self._take(run_id, attempt, key, id)):
                return CallToolResult.model_validate_json(taken)
            call = await self._fetchval(BEGIN, self._session, run_id, attempt, key, id)
        except Exception as error:  # noqa: BLE001  the agent goes on without the call
            log.warning("MCP call could not be stored", error=repr(error))
            call = None
        if call is None:
            return CallToolResult(content=[TextContent(type="text", text=NOT_STORED)], is_error=True)
        result = await make()
        await self._end(call, run_id, result)
        return result

    async def _take(self, run_id: UUID, attempt: int, key: UUID, tool_use_id: str | None) -> str | None:
        """Return the oldest result of identical calls that a lost agent did not get, once.

        Calls take turns, and each knows the row before it takes the result, so a repetition finds the same one. So does
        the next identical call if it stays unknown whether the result was taken.
        """
        async with self._taking:
            lost = self._unsure.get((run_id, key)) or await self._fetchval(LOST, self._session, run_id, key)
            if lost is None:
                return None
            self._unsure[run_id, key] = lost
            taken = await self._fetchval(TAKE, self._session, run_id, attempt, lost, tool_use_id)
            del self._unsure[run_id, key]
            return taken

    async def _end(self, call: int, run_id: UUID, result: CallToolResult) -> None:
        text = result.model_dump_json(by_alias=True)
        if len(text) > MAX_RESULT_CHARS:
            kept = CallToolResult(content=[TextContent(type="text", text=TOO_LARGE)], is_error=result.is_error)
            text = kept.model_dump_json(by_alias=True)
        try:
            # The statement does not see the result that it sets.
            ending = partial(self._database.execute, END, call, self._session, run_id, text, MAX_KEPT - 1)
            await retry_transient(ending)
        except Exception as error:  # noqa: BLE001  the agent has to know what was done
            log.warning("result of an MCP call could not be stored", error=repr(error))

    async def _fetchval(self, query: str, *args: object) -> Any:
        return await retry_transient(partial(self._database.fetchval, query, *args))
