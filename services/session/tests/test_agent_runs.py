"""Agents and their runs: cancellation, timeouts of commands, and a budget that covers all processes."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.session.values import TextBlock
from runtime.clock import new_id
from runtime.testing import eventually
from session.agent import AssistantMessage, Delta, Finished, Limits, ToolReturned
from session.agent.client import Client
from session.agent.transcript import Transcript
from simulator.testing import bash_prompt, calling, scripted

from services.session.tests.processes import agents_of, kill_agents_of
from services.session.tests.replica import NewReplica, Replica, TurnEvents

STOPPED = Finished(error_code=Code.AGENT_FAILED, error_detail="The agent was stopped.")
WORKING = bash_prompt("touch begun; until [ -e go ]; do sleep 0.05; done")
EXPENSIVE = {"text": "Hello.", "input_tokens": 1000, "output_tokens": 100}
WAITING = {"name": "Bash", "input": {"command": "touch begun; sleep 60", "description": "a test"}}
TRUE = {"name": "Bash", "input": {"command": "true", "description": "a test"}}


async def test_a_cancelled_turn_reports_its_usage(replica: Replica) -> None:
    spec = await replica.start_run(new_id())
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(replica.run(spec, scripted(EXPENSIVE | {"tools": [WAITING]})))
        await eventually((spec.workspace / "begun").exists)
        await replica.agents.close(spec.session_id, spec.run_id)
    end = turn.result().end
    assert (end.error_code, end.input_tokens, end.cost_usd > 0) == (Code.AGENT_FAILED, 1000, True)


async def test_what_a_cancelled_turn_has_streamed_is_kept(replica: Replica) -> None:
    spec = await replica.start_run(new_id())
    prompt = scripted({"text": "Hello there.", "chunks": 4, "stall": 60})
    async with aclosing(replica.agents.turn(spec, prompt)) as turn:
        streamed = [await anext(turn), await anext(turn)]
        await replica.agents.close(spec.session_id, spec.run_id)
        *_, message, end = [*streamed, *[event async for event in turn]]
    assert isinstance(message, AssistantMessage)
    assert (message.blocks, message.incomplete) == ([TextBlock(text="Hello ")], True)
    assert {event.message_id for event in streamed if isinstance(event, Delta)} == {message.message_id}
    assert isinstance(end, Finished)


async def test_a_reused_agent_works_for_the_run_of_its_latest_turn(replica: Replica) -> None:
    first = await replica.start_run(new_id())
    await replica.run(first, scripted({"text": "Hello."}))
    second = await replica.start_run(new_id())
    async with aclosing(replica.agents.turn(second, WORKING)) as turn:
        await anext(turn)
        await replica.agents.close(first.session_id, first.run_id)
        await replica.agents.close(second.session_id, second.run_id)
        rest = TurnEvents([event async for event in turn])
    assert rest.end.error_detail == STOPPED.error_detail


async def test_a_run_cancelled_before_its_turn_never_starts(replica: Replica) -> None:
    spec = await replica.start_run(new_id())
    await replica.agents.close(spec.session_id, spec.run_id)
    assert await replica.run(spec, WORKING) == [STOPPED]
    assert not (spec.workspace / "begun").exists()


async def test_neither_another_run_nor_a_replaced_worker_ends_a_turn(replica: Replica) -> None:
    spec = await replica.start_run(new_id())
    assert spec.run_id
    lost = spec.attempt + 1
    await replica.agents.close(spec.session_id, spec.run_id, lost)
    async with aclosing(replica.agents.turn(spec, WORKING)) as turn:
        await anext(turn)
        await replica.agents.close(spec.session_id, new_id())
        await replica.agents.close(spec.session_id, spec.run_id, lost)
        assert not replica.agents.kill_waiting(spec.session_id, spec.run_id, lost)
        (spec.workspace / "go").touch()
        events = TurnEvents([event async for event in turn])
    assert events.text == "Done."


async def test_a_worker_that_lost_its_run_starts_no_turn(replica: Replica) -> None:
    spec = await replica.start_run(new_id())
    await replica.agents.close(spec.session_id, spec.run_id, spec.attempt)
    assert await replica.run(spec, WORKING) == [STOPPED]


async def test_cancel_returns_before_the_agent_has_ended(replica: Replica) -> None:
    spec = await replica.start_run(new_id())
    async with aclosing(replica.agents.turn(spec, WORKING)) as turn:
        await anext(turn)
        assert agents_of(spec.session_id)
        replica.agents.cancel(spec.session_id, spec.run_id)
        events = TurnEvents([event async for event in turn])
    assert events.end.error_detail == STOPPED.error_detail
    await eventually(lambda: not agents_of(spec.session_id))


async def test_a_run_can_be_cancelled_while_its_agent_is_starting(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting = asyncio.Event()

    async def connect(_: Client) -> None:
        starting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Client, "connect", connect)
    spec = await replica.start_run(new_id())
    async with asyncio.timeout(25), asyncio.TaskGroup() as tasks:  # less than the 55 s that an agent may take to start
        turn = tasks.create_task(replica.run(spec, WORKING))
        await starting.wait()
        await replica.agents.close(spec.session_id, spec.run_id)
    assert turn.result() == [STOPPED]


async def test_a_command_is_ended_after_a_time_that_its_agent_cannot_raise(new_replica: NewReplica) -> None:
    calls = [{"command": "sleep 300", "description": "a test", **more} for more in ({}, {"timeout": 250_000})]
    async with new_replica(Limits(tool_seconds=1)) as replica:
        events = await replica.ask(scripted(*(calling(("Bash", call)) for call in calls), {"text": "Done."}))
    assert [event.is_error for event in events if isinstance(event, ToolReturned)] == [True, True]
    assert events.text == "Done."


async def test_the_budget_covers_earlier_turns_of_the_same_agent(replica: Replica) -> None:
    cost = (await replica.ask(scripted(EXPENSIVE), "other")).end.cost_usd
    limit = float(cost * Decimal("1.5"))
    first = await replica.ask(scripted(EXPENSIVE), max_budget_usd=limit)
    second = await replica.ask(scripted(EXPENSIVE | {"tools": [TRUE]}, {"text": "No."}), max_budget_usd=limit)
    assert (first.end.error_code, second.end.error_code) == (None, Code.BUDGET_EXCEEDED)
    assert second.end.cost_usd == cost


async def test_a_new_agent_may_spend_only_the_remaining_budget(replica: Replica) -> None:
    spec = replace(replica.spec(max_budget_usd=100), budget_usd=Decimal("0.000001"))
    events = await replica.run(spec, bash_prompt("true"))
    assert events.end.error_code is Code.BUDGET_EXCEEDED


async def test_an_agent_whose_message_is_left_to_another_one_has_died(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = await replica.start_run(new_id())

    async def may_record(_: Transcript, _entry: UUID | None, is_kept: Callable[[], bool]) -> bool:
        kill_agents_of(spec.session_id)
        await eventually(lambda: not is_kept())
        await replica.agents.close(spec.session_id)
        return False

    monkeypatch.setattr(Transcript, "may_record", may_record)
    events = await replica.run(spec, WORKING)
    assert (events.messages, events.end.died) == ([], True)
