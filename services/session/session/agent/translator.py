"""Translates the messages of the SDK to what this service records of an agent's turn."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import claude_agent_sdk as sdk
from contracts.refusals import Code
from contracts.session.deltas import MAX_DELTA_CHARS
from contracts.session.values import Block, TextBlock, ThinkingBlock, ToolUseBlock
from pydantic import JsonValue
from runtime.clock import new_id
from runtime.nesting import too_complex

from session.agent.agent_events import (
    BUDGET_REACHED,
    TOO_COMPLEX,
    AgentEvent,
    AssistantMessage,
    Delta,
    Finished,
    ToolReturned,
    clean,
    shown_input,
)
from session.agent.bounds import MAX_BLOCKS, MAX_CONTENT_BYTES, MessageSize, shown_name, stored_result
from session.agent.call_times import MAX_CALLS, CallTimes
from session.agent.draft import SYNTHETIC_MODEL, Draft, Kind
from session.agent.failures import AgentFailed
from session.agent.model_errors import model_error_detail
from session.agent.model_proxy import Tokens
from session.agent.reported import dollars, milliseconds, token_count

MAX_OUTPUT_BYTES = 512 * 1024
OUTPUT_TOO_LARGE = f"The structured output has more than {MAX_OUTPUT_BYTES} bytes."
OUTPUT_TOO_COMPLEX = f"The structured output {TOO_COMPLEX}"
OUTPUT_INVALID = "The output does not match `output_format`."
MESSAGE_TOO_LARGE = f"A message of the agent has more than {MAX_CONTENT_BYTES} bytes, or {MAX_BLOCKS} blocks."


@dataclass
class MessageTranslator:
    """Translates the SDK's messages of one agent process.

    `structured` says whether the agent has an `output_format`. The SDK reports cost and tokens as totals since the
    start of the process; the translator keeps the last totals and returns the differences.
    """

    structured: bool = False
    total_cost_usd: Decimal = Decimal(0)
    total_tokens: Tokens = field(default_factory=Tokens)
    _times: CallTimes = field(default_factory=CallTimes)
    _denied: set[str] = field(default_factory=set[str])
    _partial: AssistantMessage | None = None
    """The blocks so far of an unfinished message: the SDK delivers a message one block at a time."""
    _size: MessageSize = field(default_factory=MessageSize)
    _draft: Draft = field(default_factory=Draft)

    def translate(self, message: sdk.Message, written: Any = None) -> Iterator[AgentEvent]:
        """Yield the events that a message stands for, which the agent has `written` then; most stand for none.

        Raises:
            AgentFailed: RUN_TOO_LARGE; the agent's message is too large to be recorded.
        """
        if not continues_message(message):
            yield from self._flush(cut_off=not follows_message(message))
        match message:
            case sdk.AssistantMessage(model=model) if model != SYNTHETIC_MODEL:
                yield from self._collect(message, written)
            case sdk.UserMessage(content=list(content)):
                results = (part for part in content if isinstance(part, sdk.ToolResultBlock))
                yield from (self._tool_returned(part, written) for part in results)
            case sdk.SystemMessage(subtype="permission_denied", data={"tool_use_id": str(id)}):
                self.note_denied(id)  # by a rule or the permission mode, without asking
            case sdk.StreamEvent(parent_tool_use_id=None, event=event):
                yield from self._streamed(event)
            case sdk.ResultMessage():
                yield self._finished(message)
            case _:
                pass

    def end(self) -> Iterator[AgentEvent]:
        """Yield what is left of a turn: nothing, unless it has ended without a result."""
        yield from self._flush(cut_off=True)

    def note_begun(self, tool_use_id: str) -> None:
        """Note that a tool call of this turn begins now."""
        self._times.begin(clean(tool_use_id))

    def note_denied(self, tool_use_id: str) -> None:
        """Note that a tool call of this turn, which has no result yet, is not made."""
        if len(self._denied) < MAX_CALLS:
            self._denied.add(clean(tool_use_id))

    def _streamed(self, event: dict[str, Any]) -> Iterator[Delta]:
        match event:
            case {"type": "message_start", "message": {"model": str(model)}}:
                self._draft.begin(shown_name(model))
            case {"delta": {"type": "text_delta", "text": str(text)}}:
                yield self._delta("text", clean(text))
            case {"delta": {"type": "thinking_delta", "thinking": str(text)}}:
                yield self._delta("thinking", clean(text))
            case _:
                pass

    def _delta(self, kind: Kind, text: str) -> Delta:
        text = text[:MAX_DELTA_CHARS]
        self._draft.add(kind, text)
        return Delta(text, kind, self._draft.id)

    def _collect(self, message: sdk.AssistantMessage, written: Any) -> Iterator[AssistantMessage]:
        blocks = [block for part in message.content if (block := self._block(part, written))]
        model, parent, entry_id = shown_name(message.model), clean(message.parent_tool_use_id), _id(message.uuid)
        if not (MessageSize() if parent else self._size).add(blocks):
            raise AgentFailed(MESSAGE_TOO_LARGE, Code.RUN_TOO_LARGE)
        if parent:
            yield from [AssistantMessage(blocks, model, parent, entry_id=entry_id)] if blocks else []
            return
        self._draft.discard()
        if message.stop_reason:  # a whole message, since the stream has failed
            self._draft.open = False
        if self._partial:
            self._partial.blocks.extend(blocks)
        else:
            self._partial = AssistantMessage(blocks, model, message_id=self._draft.id, entry_id=entry_id)

    def _flush(self, *, cut_off: bool) -> Iterator[AssistantMessage]:
        draft, message = self._draft, self._partial
        self._draft, self._partial, self._size = Draft(), None, MessageSize()
        if rest := draft.blocks():
            message = message or AssistantMessage([], draft.model or SYNTHETIC_MODEL, message_id=draft.id)
            message = replace(message, blocks=[*message.blocks, *rest])
        if message and message.blocks:
            yield replace(message, incomplete=bool(rest) or (cut_off and draft.open))

    def _block(self, part: sdk.ContentBlock, written: Any) -> Block | None:
        match part:
            case sdk.TextBlock(text=text):
                return TextBlock(text=clean(text))
            case sdk.ThinkingBlock(thinking=thinking):
                return ThinkingBlock(thinking=clean(thinking))
            case sdk.ToolUseBlock(id=id, name=name, input=input):
                id = clean(id)
                self._times.report(id, written)
                return ToolUseBlock(id=id, tool_call_id=new_id(), name=shown_name(name), input=shown_input(input))
            case _:
                return None

    def _tool_returned(self, part: sdk.ToolResultBlock, written: Any) -> ToolReturned:
        result = stored_result(part.tool_use_id, part.content, is_error=bool(part.is_error))
        id, (duration_ms, ended) = result.tool_use_id, self._times.end(result.tool_use_id, written)
        denied = id in self._denied
        self._denied.discard(id)  # a long turn may have more of them than are kept at the same time
        return ToolReturned(id, result.output, result.is_error, duration_ms, denied, ended)

    def _finished(self, result: sdk.ResultMessage) -> Finished:
        self._times.clear()
        self._denied.clear()
        # The SDK counts from the start of the process, and starts at zero again when a conversation is resumed.
        total = dollars(result.total_cost_usd)
        cost, self.total_cost_usd = total - self.total_cost_usd, total
        tokens = _tokens(result)
        reported, self.total_tokens = tokens.since(self.total_tokens), tokens
        usage = result.usage or {}
        input_tokens = sum(
            token_count(usage.get(name))
            for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        )
        code, detail = _error(result) if result.is_error else (None, None)
        output: JsonValue = None
        if self.structured and code is None:
            if too_complex(result.structured_output):
                code, detail = Code.OUTPUT_NOT_VALID, OUTPUT_TOO_COMPLEX
            elif (output := clean(result.structured_output)) is None:
                code, detail = Code.OUTPUT_NOT_VALID, OUTPUT_INVALID
        if len(json.dumps(output)) > MAX_OUTPUT_BYTES:
            output, code, detail = None, Code.OUTPUT_NOT_VALID, OUTPUT_TOO_LARGE
        return Finished(
            milliseconds(result.duration_ms),
            input_tokens,
            token_count(usage.get("output_tokens")),
            max(cost, Decimal(0)),
            code,
            detail,
            output,
            reported,
        )


def _error(result: sdk.ResultMessage) -> tuple[Code, str]:
    match result.subtype:
        case "error_max_turns":
            return Code.MAX_TURNS_REACHED, "The run reached `max_turns` before the agent was done."
        case "error_max_budget_usd":
            return Code.BUDGET_EXCEEDED, BUDGET_REACHED
        case "error_max_structured_output_retries":
            return Code.OUTPUT_NOT_VALID, OUTPUT_INVALID
        case "success" if result.api_error_status:
            return Code.MODEL_ERROR, model_error_detail(result.api_error_status, clean(result.result or ""))
        case "success":
            return Code.MODEL_ERROR, "The model did not answer in time, or its answer was incomplete."
        case _:
            return Code.AGENT_FAILED, "The agent ended with an error."


def _tokens(result: sdk.ResultMessage) -> Tokens:
    """Return the usage of all models since the start of the process, as the agent reports it."""
    used = Tokens()
    for model in (result.model_usage or {}).values():
        names = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens", "outputTokens")
        used += Tokens(*(token_count(model.get(name)) for name in names))
    return used


def _id(name: str | None) -> UUID | None:
    try:
        return UUID(name)
    except (TypeError, ValueError):  # programs in the sandbox can forge messages of the agent
        return None


def continues_message(message: sdk.Message) -> bool:
    """Return whether the unfinished assistant message may continue after `message`."""
    match message:
        case sdk.AssistantMessage(parent_tool_use_id=parent, model=model):
            return parent is not None or model != SYNTHETIC_MODEL
        case sdk.StreamEvent(event={"type": "message_delta"}, parent_tool_use_id=None):  # sent after the last block
            return False
        case sdk.StreamEvent() | sdk.SystemMessage():
            return True
        case _:
            return False


def follows_message(message: sdk.Message) -> bool:
    """Return whether a message of the agent was complete if `message` is next: its end, or results of its calls."""
    match message:
        case sdk.UserMessage(content=list(content)):
            return any(isinstance(part, sdk.ToolResultBlock) for part in content)
        case _:
            return isinstance(message, sdk.StreamEvent)
