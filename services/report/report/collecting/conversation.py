"""The messages and tool calls of a session."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from contracts.session.conversation import (
    GetMessage,
    GetToolCall,
    ListMessages,
    ListToolCalls,
    MessageView,
    ToolCallView,
)
from runtime.blocking import BlockingPool

from report.collecting.budget import Budget
from report.collecting.changes import diff_of
from report.collecting.sources import Ask, both_ends
from report.content import MessageEntry, ModelUse, ToolCallEntry, ToolUse

FIRST_MESSAGES, NEWEST_MESSAGES = 200, 1800
FIRST_TOOL_CALLS, NEWEST_TOOL_CALLS = 50, 450


@dataclass
class Conversation:
    """The messages and tool calls of a session, in their order, and the diffs of the calls that edit files."""

    messages: list[MessageView] = field(default_factory=list[MessageView])
    calls: list[ToolCallView] = field(default_factory=list[ToolCallView])
    diffs: dict[UUID, str] = field(default_factory=dict[UUID, str])

    @property
    def tools(self) -> list[ToolUse]:
        """How often each tool was called, the most used first."""
        by_name = defaultdict[str, list[ToolCallView]](list)
        for call in self.calls:
            by_name[call.tool_name].append(call)
        used = [
            ToolUse(
                name=name,
                calls=len(calls),
                errors=_count(calls, "error"),
                denied=_count(calls, "denied"),
                total_ms=sum(call.duration_ms or 0 for call in calls),
            )
            for name, calls in by_name.items()
        ]
        return sorted(used, key=lambda use: (-use.calls, use.name))

    @property
    def models(self) -> list[ModelUse]:
        """How many messages each model wrote, the most used first."""
        names = [message.model for message in self.messages if message.model]
        return [ModelUse(model=name, messages=names.count(name)) for name in sorted(set(names), key=names.count)[::-1]]

    def answer(self, run_id: UUID) -> str:
        """Return the last text of the agent in a run."""
        texts = (text_of(message) for message in reversed(self.messages) if _is_answer(message, run_id))
        return next((text for text in texts if text), "")

    def question(self, run_id: UUID) -> str:
        """Return the message of the user that started a run, or nothing if it was not collected."""
        asked = (message for message in self.messages if message.run_id == run_id and message.message_type == "user")
        return next((text_of(message) for message in asked), "")


async def read_conversation(session_id: UUID, ask: Ask, blocking: BlockingPool, budget: Budget) -> Conversation:
    """Return the conversation of a session: of a long one, its beginning and its end."""
    query = ListMessages(session_id=session_id)
    messages, total = await both_ends(ask, query, FIRST_MESSAGES, NEWEST_MESSAGES)
    if total > len(messages):
        shown = f"the first {FIRST_MESSAGES:,} and the newest {NEWEST_MESSAGES:,}"
        budget.note(f"Of {total:,} messages, {shown} are shown.")
    calls, total = await both_ends(ask, ListToolCalls(session_id=session_id), FIRST_TOOL_CALLS, NEWEST_TOOL_CALLS)
    if total > len(calls):
        shown = f"the first {FIRST_TOOL_CALLS:,} and the newest {NEWEST_TOOL_CALLS:,}"
        budget.note(f"Of {total:,} tool calls, {shown} are shown; tools and changed files are counted from these.")
    messages = [await _whole_message(message, session_id, ask, budget) for message in messages]
    calls = [await _whole_call(call, session_id, ask, budget) for call in calls]
    diffs = await blocking.run(_diffs, calls)
    return Conversation(messages, calls, diffs)


def entries(conversation: Conversation, budget: Budget, *, with_messages: bool, with_calls: bool) -> list[MessageEntry]:
    """Return the messages with the tool calls that they requested. Blocks.

    A call whose message is not known is shown with the newest message of its run before it. Without messages, only
    those that requested tool calls are returned, without their texts.
    """
    calls = _calls_by_message(conversation) if with_calls else {}
    shown = list[MessageEntry]()
    for message in conversation.messages:
        requested = calls.get(message.id, [])
        if not with_messages and not requested:
            continue
        text, shortened = budget.text(text_of(message)) if with_messages else ("", False)
        shown.append(
            MessageEntry(
                id=message.id,
                run_id=message.run_id,
                role=message.message_type,
                model=message.model,
                text=text,
                shortened=shortened or (with_messages and _is_preview(message.content)),
                incomplete=message.incomplete,
                tool_calls=[_entry(call, conversation.diffs.get(call.id), budget) for call in requested],
                at=message.created_at,
            )
        )
    return shown


def text_of(message: MessageView) -> str:
    """Return the text of a message."""
    text = message.content.get("content")
    return text if isinstance(text, str) else ""


def _count(calls: Iterable[ToolCallView], status: str) -> int:
    return sum(str(call.status) == status for call in calls)


def _calls_by_message(conversation: Conversation) -> dict[UUID, list[ToolCallView]]:
    requested_by = dict[str, UUID]()
    for message in conversation.messages:
        requested_by |= dict.fromkeys(_requested(message), message.id)
    by_message = defaultdict[UUID, list[ToolCallView]](list)
    for call in conversation.calls:
        if parent := requested_by.get(str(call.id)) or _before(call, conversation.messages):
            by_message[parent].append(call)
    return by_message


def _requested(message: MessageView) -> Iterable[str]:
    blocks: Any = message.content.get("blocks")
    for block in cast(list[dict[str, Any]], blocks or []):
        if "tool_call_id" in block:
            yield str(block["tool_call_id"])


def _before(call: ToolCallView, messages: list[MessageView]) -> UUID | None:
    before = (m.id for m in reversed(messages) if m.run_id == call.run_id and m.created_at <= call.created_at)
    return next(before, None)


def _is_answer(message: MessageView, run_id: UUID) -> bool:
    return message.run_id == run_id and message.message_type == "assistant" and message.parent_tool_call_id is None


def _entry(call: ToolCallView, diff: str | None, budget: Budget) -> ToolCallEntry:
    (given, given_cut), (output, output_cut) = budget.value(call.tool_input), budget.value(call.tool_output)
    was_preview = _is_preview(call.tool_input) or _is_preview(call.tool_output)
    return ToolCallEntry(
        id=call.id,
        name=call.tool_name,
        status=call.status,
        input=given,
        output=output,
        diff=budget.text(diff)[0] if diff else None,
        shortened=given_cut or output_cut or was_preview,
        duration_ms=call.duration_ms,
        at=call.created_at,
    )


def _diffs(calls: list[ToolCallView]) -> dict[UUID, str]:
    return {call.id: diff for call in calls if (diff := diff_of(call))}


def _is_preview(value: dict[str, Any] | None) -> bool:
    return value is not None and value.get("truncated") is True and "size_bytes" in value


async def _whole_message(message: MessageView, session_id: UUID, ask: Ask, budget: Budget) -> MessageView:
    if _is_preview(message.content) and budget.may_read():
        return await ask(GetMessage(session_id=session_id, message_id=message.id))
    return message


async def _whole_call(call: ToolCallView, session_id: UUID, ask: Ask, budget: Budget) -> ToolCallView:
    if (_is_preview(call.tool_input) or _is_preview(call.tool_output)) and budget.may_read():
        return await ask(GetToolCall(session_id=session_id, tool_call_id=call.id))
    return call
