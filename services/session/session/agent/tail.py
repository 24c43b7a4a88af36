"""What a conversation has of a run whose worker or agent was lost: its messages, and the outcomes of its tool calls."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from uuid import UUID

from contracts.session.settling import LostCall, StoredResult
from contracts.session.values import Block, TextBlock, ThinkingBlock, ToolUseBlock
from eventing.retrying import retry_transient
from runtime.clock import new_id

from session.agent.agent_events import AssistantMessage, clean, shown_input
from session.agent.begun_calls import read_begun
from session.agent.bounds import MessageSize, shown_name, stored_result, without_output
from session.agent.draft import SYNTHETIC_MODEL
from session.agent.options import FREE
from session.agent.transcript import CHUNK_BYTES, Database

MAX_RESULTS = 100
"""The number of results that are kept, the newest: a worker records them soon after they are in the transcript."""
MAX_MESSAGES = 1000
"""The number of messages that are kept, the newest: far more than can wait for a worker that is lost."""
MAX_RESULT_CHARS = 8 * 2**20
"""The size of their outputs, those of the newest: more than can wait for a worker that is lost (`MAX_QUEUED_BYTES`)."""
# The entry of a message of the user has the message's id.
PROMPT = """
    SELECT position FROM transcript WHERE session_id = $1 AND subpath = '' AND entry_id = (
        SELECT id::text FROM messages WHERE session_id = $1::uuid AND run_id = $2 AND message_type = 'user'
        ORDER BY sequence_number LIMIT 1)"""
RECORDED = "SELECT coalesce(entry_id, id) AS entry FROM messages WHERE session_id = $1 AND run_id = $2"
# Of those that have ended, the output says what the next agent has to know. A call that was denied while there was no
# agent has none: the prompt of the next one has the decision.
RECORDED_CALLS = """
    SELECT block ->> 'id' AS id, status IN ('success', 'error', 'denied') AND tool_output IS NOT NULL AS ended,
        left(coalesce(tool_output ->> 'content', tool_output::text, ''), $4) AS output
    FROM messages CROSS JOIN jsonb_array_elements(content -> 'blocks') AS block
        LEFT JOIN tool_calls ON tool_calls.session_id = $1 AND tool_calls.id = (block ->> 'tool_call_id')::uuid
    WHERE messages.session_id = $1 AND messages.run_id = $2 AND block ->> 'type' = 'tool_use'
        AND block ->> 'id' = ANY($3)"""
MAX_OUTPUT_CHARS = 2_000
READ_AFTER = """
    SELECT position, subpath, entry FROM (
        SELECT *, sum(octet_length(entry)) OVER (ORDER BY position) - octet_length(entry) AS before FROM (
            SELECT position, subpath, entry FROM transcript
            WHERE session_id = $1 AND position > $2 AND type IN ('user', 'assistant') ORDER BY position LIMIT 1000
        ) AS following
    ) AS summed
    WHERE before < $3 ORDER BY position"""

type Json = dict[str, Any]


@dataclass
class Tail:
    """The part of a conversation that belongs to a run, subagents included.

    `begun` says whether its prompt is there, and `ended` whether the last message is a complete answer. `messages` are
    the newest of the agent itself that are not recorded, `results` the newest (`with_newest_outputs`). `unsettled` are
    the calls that may have begun and have no result there, by the model's ids of them. `returned` are the outputs of
    those among them that are known to have ended: it was recorded in the moment before the transcript has it.
    """

    begun: bool = False
    messages: list[AssistantMessage] = field(default_factory=list[AssistantMessage])
    results: dict[str, StoredResult] = field(default_factory=dict[str, StoredResult])
    unsettled: dict[str, LostCall] = field(default_factory=dict[str, LostCall])
    returned: dict[str, str] = field(default_factory=dict[str, str])
    ended: bool = False
    _message: str = ""
    _size: MessageSize = field(default_factory=MessageSize)

    @property
    def uncertain(self) -> list[LostCall]:
        """The calls that may or may not have had an effect."""
        return [call for call in self.unsettled.values() if call.tool_name not in FREE]

    def add_missing(self, recorded: set[str]) -> None:
        """Add a message with each call that neither the conversation has nor, by their ids, the `recorded` messages."""
        known = {block.id for message in self.messages for block in message.blocks if isinstance(block, ToolUseBlock)}
        calls = [call for call in self.uncertain if call.tool_use_id not in known | recorded]
        model = self.messages[-1].model if self.messages else SYNTHETIC_MODEL
        self.messages += [AssistantMessage([_tool_use(call)], model) for call in calls]

    def read(self, rows: Iterable[Json]) -> None:
        """Add the entries of some rows, in order; forged ones that are no messages are skipped."""
        for row in rows:
            match entry := json.loads(row["entry"]):
                case {"type": "assistant", "message": {"content": [*blocks]} as message}:
                    self._read_answer(entry, message, _objects(blocks), is_main=row["subpath"] == "")
                case {"type": "user", "message": {"content": [*blocks]}}:
                    self._read_results(_objects(blocks))
                    self.ended = False
                case _:
                    pass
        self.messages = self.messages[-MAX_MESSAGES:]
        newest = with_newest_outputs([*self.results.values()][-MAX_RESULTS:])
        self.results = {each.tool_use_id: each for each in newest}

    def _read_answer(self, entry: Json, message: Json, blocks: list[Json], *, is_main: bool) -> None:
        if not is_main or message.get("model") == SYNTHETIC_MODEL:
            return
        id, entry_id, read = _string(message.get("id")), _id(_string(entry.get("uuid"))), [*_blocks(blocks)]
        if not id or id != self._message or not self._size.add(read):
            size = MessageSize()
            if not size.add(read):
                return
            model = shown_name(_string(message.get("model")))
            self.messages.append(AssistantMessage([], model, entry_id=entry_id))
            self._message, self._size = id, size
        self.messages[-1].blocks.extend(read)
        self.ended = message.get("stop_reason") == "end_turn"

    def _read_results(self, blocks: list[Json]) -> None:
        for block in blocks:
            match block:
                case {"type": "tool_result", "tool_use_id": str(tool_use_id)}:
                    is_error = bool(block.get("is_error"))
                    result = stored_result(tool_use_id, block.get("content"), is_error=is_error)
                    self.unsettled.pop(result.tool_use_id, None)
                    self.results[result.tool_use_id] = result
                case _:
                    pass


def with_newest_outputs(results: list[StoredResult]) -> list[StoredResult]:
    """Return results, of which the oldest have no outputs if all outputs together are too large to be recorded."""
    bounded, chars = list[StoredResult](), 0
    for result in reversed(results):
        chars += len(str(result.output.get("content", "")))
        bounded.append(result if chars <= MAX_RESULT_CHARS else without_output(result))
    return bounded[::-1]


async def read_tail(database: Database, session_id: UUID, run_id: UUID) -> Tail:
    """Return what the conversation has of a run. Nobody may write to it meanwhile."""
    session, tail = str(session_id), Tail(unsettled=await read_begun(database, session_id, run_id))
    position = await retry_transient(partial(database.fetchval, PROMPT, session, run_id))
    tail.begun = position is not None
    while tail.begun and (rows := await _fetch(database, READ_AFTER, session, position, CHUNK_BYTES)):
        position = rows[-1]["position"]
        await asyncio.to_thread(tail.read, rows)
    known = {row["entry"] for row in await _fetch(database, RECORDED, session_id, run_id)}
    # Entries without an id are forged, and could not be recognised once they are recorded.
    unrecorded = (message for message in tail.messages if message.entry_id and message.entry_id not in known)
    tail.messages = [message for message in unrecorded if message.blocks]
    if tail.uncertain:
        ids = [call.tool_use_id for call in tail.uncertain]
        rows = await _fetch(database, RECORDED_CALLS, session_id, run_id, ids, MAX_OUTPUT_CHARS)
        tail.returned = {row["id"]: row["output"] for row in rows if row["ended"]}
        tail.add_missing({row["id"] for row in rows})
    return tail


async def _fetch(database: Database, query: str, *args: object) -> list[Json]:
    return await retry_transient(partial(database.fetch, query, *args))


def _objects(blocks: list[Any]) -> list[Json]:
    return [cast(Json, block) for block in blocks if isinstance(block, dict)]


def _blocks(blocks: list[Json]) -> Iterator[Block]:
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                yield TextBlock(text=clean(text))
            case {"type": "thinking", "thinking": str(thinking)}:
                yield ThinkingBlock(thinking=clean(thinking))
            case {"type": "tool_use", "id": str(id), "name": str(name), "input": dict()}:
                shown = shown_input(block["input"])
                yield ToolUseBlock(id=clean(id), tool_call_id=new_id(), name=shown_name(name), input=shown)
            case _:
                pass


def _tool_use(call: LostCall) -> ToolUseBlock:
    return ToolUseBlock(id=call.tool_use_id, tool_call_id=new_id(), name=call.tool_name, input=call.tool_input)


def _string(value: object) -> str:
    """Return a string as it can be stored; "" for anything else, which is forged, and may be too deep to be shown."""
    return clean(value) if isinstance(value, str) else ""


def _id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
