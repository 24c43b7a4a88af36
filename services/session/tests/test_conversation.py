"""Queries for messages and tool calls: pages in both directions, filters by run, and truncation in lists."""

from uuid import UUID

import pytest
from contracts.messages import Order
from contracts.refusals import Code, Refusal
from contracts.samples import RUN, SESSION
from contracts.session.conversation import (
    GetMessage,
    GetToolCall,
    ListMessages,
    ListToolCalls,
    RecordMessage,
    RecordToolResult,
)
from contracts.session.run import GetRun, StartRun, SubmitQuery
from contracts.session.session import CreateSession
from contracts.session.values import Block, TextBlock, ToolUseBlock
from runtime.clock import new_id

from services.session.tests.desk import Desk

ID, RUN_ID = UUID(SESSION), UUID(RUN)


@pytest.fixture
async def desk_in_run(desk: Desk) -> Desk:
    """A desk with a session in which a run is in progress."""
    for command in (CreateSession, SubmitQuery, StartRun):
        await desk.send(command.example())
    return desk


async def add_message(desk: Desk, *blocks: Block) -> UUID:
    message_id = new_id()
    ids = {"session_id": ID, "run_id": RUN_ID, "message_id": message_id}
    await desk.send(RecordMessage.example().model_copy(update=ids | {"blocks": blocks}))
    return message_id


async def numbers(desk: Desk, query: ListMessages) -> list[int]:
    return [message.sequence_number for message in (await desk.ask(query)).items]


async def test_messages_are_listed_in_pages(desk_after_run: Desk) -> None:
    page = await desk_after_run.ask(ListMessages(session_id=ID, skip=1, limit=1))
    assert ([m.sequence_number for m in page.items], page.total) == ([2], 2)


@pytest.mark.parametrize(("order", "expected"), [("asc", [3]), ("desc", [1])])
async def test_messages_after_a_cursor_are_listed_in_either_order(
    desk_in_run: Desk, order: Order, expected: list[int]
) -> None:
    message_id = await add_message(desk_in_run, TextBlock(text="one"))
    await add_message(desk_in_run, TextBlock(text="two"))
    assert await numbers(desk_in_run, ListMessages(session_id=ID, order=order, after=message_id)) == expected


async def test_messages_can_be_listed_newest_first(desk_after_run: Desk) -> None:
    assert await numbers(desk_after_run, ListMessages(session_id=ID, order="desc", limit=1)) == [2]


async def test_an_unknown_message_as_cursor_is_refused(desk_after_run: Desk) -> None:
    with pytest.raises(Refusal, match=Code.MESSAGE_NOT_FOUND):
        await desk_after_run.ask(ListMessages(session_id=ID, after=new_id()))


async def test_messages_and_tool_calls_are_filtered_by_run(desk_after_run: Desk) -> None:
    second = (await desk_after_run.submit(ID)).id
    for run_id, messages, calls in ((RUN_ID, [1, 2], 1), (second, [3], 0)):
        page = await desk_after_run.ask(ListMessages(session_id=ID, run_id=run_id))
        assert ([m.sequence_number for m in page.items], page.total) == (messages, len(messages))
        assert (await desk_after_run.ask(ListToolCalls(session_id=ID, run_id=run_id))).total == calls


async def test_tool_calls_after_a_cursor_are_listed_in_either_order(desk_in_run: Desk) -> None:
    calls = [ToolUseBlock(id=str(n), tool_call_id=new_id(), name="Read", input={}) for n in range(3)]
    await add_message(desk_in_run, *calls)
    for order, expected in (("asc", calls[2]), ("desc", calls[0])):
        query = ListToolCalls.model_validate({"session_id": ID, "order": order, "after": calls[1].tool_call_id})
        assert [call.id for call in (await desk_in_run.ask(query)).items] == [expected.tool_call_id]


async def test_a_large_message_is_truncated_in_lists_only(desk_in_run: Desk) -> None:
    text = "x" * 20_000
    message_id = await add_message(desk_in_run, TextBlock(text=text))
    [listed] = (await desk_in_run.ask(ListMessages(session_id=ID, skip=1))).items
    assert (listed.content["truncated"], listed.content["content"]) == (True, text[:1000])
    whole = (await desk_in_run.ask(GetMessage(session_id=ID, message_id=message_id))).content
    assert whole == {"content": text, "blocks": [{"type": "text", "text": text}]}
    assert listed.content["size_bytes"] > 40_000


async def test_a_page_of_the_largest_messages_is_bounded(desk_in_run: Desk) -> None:
    for _ in range(99):
        await add_message(desk_in_run, TextBlock(text="\N{GRINNING FACE}" * 6_000))
    page = await desk_in_run.ask(ListMessages(session_id=ID))
    assert (len(page.items), len(page.model_dump_json()) < 2_000_000) == (100, True)


async def test_subagent_messages_name_their_call_and_are_not_the_answer(desk_in_run: Desk) -> None:
    task = ToolUseBlock(id="toolu_task", tool_call_id=new_id(), name="Task", input={})
    await add_message(desk_in_run, TextBlock(text="I delegate."), task)
    inner = ToolUseBlock(id="toolu_inner", tool_call_id=new_id(), name="Read", input={})
    blocks = [TextBlock(text="I read."), inner]
    await desk_in_run.send(RecordMessage.example().model_copy(update={"blocks": blocks, "parent_tool_use_id": task.id}))
    messages = (await desk_in_run.ask(ListMessages(session_id=ID))).items
    calls = (await desk_in_run.ask(ListToolCalls(session_id=ID))).items
    assert [m.parent_tool_call_id for m in messages] == [None, None, task.tool_call_id]
    assert {call.id: call.parent_tool_call_id for call in calls} == {
        task.tool_call_id: None,
        inner.tool_call_id: task.tool_call_id,
    }
    assert (await desk_in_run.ask(GetRun(session_id=ID, run_id=RUN_ID))).text == "I delegate."


async def test_an_unknown_message_is_not_found(desk_after_run: Desk) -> None:
    with pytest.raises(Refusal, match=Code.MESSAGE_NOT_FOUND):
        await desk_after_run.ask(GetMessage(session_id=ID, message_id=new_id()))


async def test_a_large_tool_output_is_truncated_in_lists_only(desk_in_run: Desk) -> None:
    await desk_in_run.send(RecordMessage.example())
    large = {"content": "x" * 20_000}
    await desk_in_run.send(RecordToolResult.example().model_copy(update={"output": large}))
    [listed] = (await desk_in_run.ask(ListToolCalls(session_id=ID))).items
    preview = '{"content": "' + "x" * 987
    assert listed.tool_output == {"truncated": True, "size_bytes": 20_015, "preview": preview}
    assert (await desk_in_run.ask(GetToolCall(session_id=ID, tool_call_id=listed.id))).tool_output == large


async def test_an_unknown_tool_call_is_not_found(desk_after_run: Desk) -> None:
    with pytest.raises(Refusal, match=Code.TOOL_CALL_NOT_FOUND):
        await desk_after_run.ask(GetToolCall(session_id=ID, tool_call_id=new_id()))
