"""The calls of tools that an agent may have begun, stored before they begin.

Claude Code writes its transcript a tenth of a second later. So a worker that continues the run learns of the last calls
from here, and the next agent from its prompt.
"""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from contracts.preview import preview, truncate_value
from contracts.session.settling import LostCall
from contracts.wire import PREVIEW_CHARACTERS
from eventing.retrying import retry_transient
from prometheus_client import Histogram
from runtime.logging import get_logger
from runtime.metrics import metrics_of

from session.agent.agent_events import shown_input
from session.agent.bounds import MAX_NAME_CHARS
from session.agent.options import FREE
from session.agent.transcript import Database
from session.mcp.recovered_calls import safe_id

log = get_logger()

_wait = Histogram(
    "tool_call_wait_seconds",
    "How long calls of tools have waited until they were stored; those that change nothing do not wait",
    buckets=(0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 25, 50),
    registry=metrics_of("session"),
)

STORE_SECONDS = 25.0
"""How long a call waits until it is stored; outages of the database are retried for a little longer."""
MAX_READ = 2_000
"""The number of calls of a run that are read, the newest: those that five agents can have left open (`MAX_OPEN`)."""
MAX_READ_BYTES = 2**20
"""The size of the inputs that are read, those of the newest calls; of the other calls previews of as much are read."""
MAX_INPUT_BYTES = 64 * 2**10
"""The size above which only a preview of an input is stored."""
_SMALL_CHARS = 10_000
# The lock lets a worker that takes over the run wait for the insertion; afterwards there is no row for this attempt.
BEGIN = """
    INSERT INTO begun_calls (session_id, run_id, tool_use_id, tool_name, key, tool_input)
    SELECT session_id, run_id, $4, $5, $6, $7 FROM (
        SELECT session_id, run_id FROM conversations WHERE session_id = $1 AND run_id = $2 AND attempt = $3 FOR SHARE
    ) AS writer
    RETURNING id"""
# Calls that had begun before an upgrade have no key: it is computed of their input.
BEGUN = """
    SELECT tool_use_id, tool_name, key, CASE WHEN key IS NULL OR bytes <= $4 THEN tool_input END AS tool_input,
        CASE WHEN preview_bytes <= $4 THEN preview ELSE '' END AS preview, octet_length(tool_input) AS size
    FROM (
        SELECT *, sum(octet_length(tool_input)) OVER newer AS bytes,
            sum(octet_length(preview)) OVER newer AS preview_bytes
        FROM (
            SELECT *, left(tool_input, $5) AS preview FROM begun_calls
            WHERE session_id = $1 AND run_id = $2 ORDER BY id DESC LIMIT $3
        ) AS newest WINDOW newer AS (ORDER BY id DESC)
    ) AS summed
    ORDER BY id"""


async def begun_call(id: str, name: str, tool_input: dict[str, Any]) -> LostCall:
    """Return a call as it is stored: with the key of its whole input, but only a preview of one that is too long."""
    if name in FREE or _is_small(tool_input):
        return _call(id, name, tool_input)
    return await asyncio.to_thread(_call, id, name, tool_input)


def _call(id: str, name: str, tool_input: dict[str, Any]) -> LostCall:
    shown: dict[str, Any] = {} if name in FREE else shown_input(tool_input)
    call = LostCall(tool_use_id=id, tool_name=name, tool_input=shown)
    return call.model_copy(update={"tool_input": truncate_value(shown, MAX_INPUT_BYTES)})


def _is_small(tool_input: dict[str, Any]) -> bool:
    """Return whether an input is flat and short, as most are: no thread is worth it."""
    texts = [value for value in tool_input.values() if isinstance(value, str)]
    return len(texts) == len(tool_input) < 100 and sum(map(len, texts)) < _SMALL_CHARS


class BegunCalls:
    """The calls of one agent; `writer` returns the run for which it makes them, and the attempt of its worker."""

    def __init__(self, database: Database, session_id: UUID, writer: Callable[[], tuple[UUID | None, int]]) -> None:
        self._database, self._session, self._writer = database, session_id, writer

    async def store(self, call: LostCall) -> bool:
        """Store a call; return whether it may begin: not if that takes too long, or if the worker has lost its run.

        Calls of an agent that works for no run are stored nowhere. Forged calls may have ids or names that cannot be.
        """
        run_id, attempt = self._writer()
        if run_id is None:
            return True
        if not safe_id(call.tool_use_id) or not 0 < len(call.tool_name) <= MAX_NAME_CHARS:
            return False
        about = call.tool_use_id, call.tool_name, call.key
        row = self._session, run_id, attempt, *about, json.dumps(call.tool_input, ensure_ascii=False)
        try:
            with _wait.time():
                async with asyncio.timeout(STORE_SECONDS):
                    return await retry_transient(partial(self._database.fetchval, BEGIN, *row)) is not None
        except Exception:  # the agent goes on without the call
            log.exception("tool call could not be stored", tool=call.tool_name)
            return False


async def read_begun(database: Database, session_id: UUID, run_id: UUID) -> dict[str, LostCall]:
    """Return the calls that agents of a run may have begun, and whose results the conversation lacks.

    They are by the model's ids of them, in order. Of several with the same id the first counts; others are forged.
    """
    bounds = MAX_READ, MAX_READ_BYTES, PREVIEW_CHARACTERS
    rows = await retry_transient(partial(database.fetch, BEGUN, session_id, run_id, *bounds))
    return await asyncio.to_thread(_lost_calls, rows)


def _lost_calls(rows: list[dict[str, Any]]) -> dict[str, LostCall]:
    calls = dict[str, LostCall]()
    for row in rows:
        known = {name: row[name] for name in ("tool_use_id", "tool_name", "key") if row[name] is not None}
        text = row["tool_input"]
        tool_input = preview(row["preview"], row["size"]) if text is None else json.loads(text)
        calls.setdefault(row["tool_use_id"], LostCall.model_validate(known | {"tool_input": tool_input}))
    return calls
