"""Agents and the runs they work for: called off, limited in time, limited in money over all processes."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest
from claude_agent_sdk import ClaudeSDKClient
from contracts.refusals import Code
from runtime.clock import new_id
from runtime.testing import eventually
from session.agent import Agents, AgentSpec, Finished, Limits, ToolReturned
from simulator.testing import bash_prompt, scripted, tools_prompt

from services.session.tests.processes import agents_of
from services.session.tests.replica import NewReplica, Replica, Telling

STOPPED = Finished(error_code=Code.AGENT_FAILED, error_detail="The agent was stopped.")
WORKING = bash_prompt("touch begun; until [ -e go ]; do sleep 0.05; done")
DEAR = {"text": "Hello.", "input_tokens": 1000, "output_tokens": 100}


async def test_calling_a_run_off_ends_its_turn(replica: Replica) -> None:
    spec = await replica.for_run(new_id())
    async with aclosing(replica.agents.turn(spec, WORKING)) as turn:
        await anext(turn)
        await replica.agents.close(spec.session_id, spec.run_id)
        rest = [told async for told in turn]
    assert Telling(rest).end.error_detail == STOPPED.error_detail


async def test_a_turn_that_is_called_off_tells_what_it_used(replica: Replica) -> None:
    spec = await replica.for_run(new_id())
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(_ask(replica.agents, spec, scripted(DEAR | {"tools": [WAITING]})))
        await eventually((spec.workspace / "begun").exists)
        await replica.agents.close(spec.session_id, spec.run_id)
    end = asking.result().end
    assert (end.error_code, end.input_tokens, end.cost_usd > 0) == (Code.AGENT_FAILED, 1000, True)


async def test_calling_a_run_off_leaves_the_turn_of_the_one_that_follows(replica: Replica) -> None:
    spec = await replica.for_run(new_id())
    async with aclosing(replica.agents.turn(spec, WORKING)) as turn:
        await anext(turn)
        await replica.agents.close(spec.session_id, new_id())
        (spec.workspace / "go").touch()
        telling = Telling([told async for told in turn])
    assert telling.words == "Done."


async def test_an_agent_that_goes_on_works_for_the_run_of_its_last_turn(replica: Replica) -> None:
    first = await replica.for_run(new_id())
    await _ask(replica.agents, first, scripted({"text": "Hello."}))
    second = await replica.for_run(new_id())
    async with aclosing(replica.agents.turn(second, WORKING)) as turn:
        await anext(turn)
        await replica.agents.close(first.session_id, first.run_id)
        await replica.agents.close(second.session_id, second.run_id)
        rest = [told async for told in turn]
    assert Telling(rest).end.error_detail == STOPPED.error_detail


async def test_a_run_that_is_called_off_before_its_turn_never_begins(replica: Replica) -> None:
    spec = await replica.for_run(new_id())
    await replica.agents.close(spec.session_id, spec.run_id)
    assert await _ask(replica.agents, spec, WORKING) == [STOPPED]
    assert not (spec.workspace / "begun").exists()


async def test_who_calls_a_run_off_does_not_wait_until_its_agent_has_ended(replica: Replica) -> None:
    spec = await replica.for_run(new_id())
    async with aclosing(replica.agents.turn(spec, WORKING)) as turn:
        await anext(turn)
        assert agents_of(spec.session_id)
        replica.agents.cancel(spec.session_id, spec.run_id)
        telling = Telling([told async for told in turn])
    assert telling.end.error_detail == STOPPED.error_detail
    await eventually(lambda: not agents_of(spec.session_id))


async def test_an_agent_that_does_not_get_started_can_be_called_off(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting = asyncio.Event()

    async def connect(_: ClaudeSDKClient) -> None:
        starting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ClaudeSDKClient, "connect", connect)
    spec = await replica.for_run(new_id())
    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:  # it may take 30 s to start
        asking = tasks.create_task(_ask(replica.agents, spec, WORKING))
        await starting.wait()
        await replica.agents.close(spec.session_id, spec.run_id)
    assert asking.result() == [STOPPED]


async def test_a_command_that_takes_too_long_is_ended_and_the_agent_goes_on(new_replica: NewReplica) -> None:
    async with new_replica(Limits(tool_seconds=1)) as replica:
        telling = await replica.ask(bash_prompt("sleep 300"))
    [returned] = [told for told in telling if isinstance(told, ToolReturned)]
    assert returned.is_error
    assert telling.words == "Done."


async def test_an_agent_cannot_give_its_command_more_time_than_there_is(new_replica: NewReplica) -> None:
    patient = {"command": "sleep 300", "description": "a test", "timeout": 250_000}
    async with new_replica(Limits(tool_seconds=1)) as replica:
        telling = await replica.ask(tools_prompt(("Bash", patient)))
    assert telling.words == "Done."


async def test_an_agent_counts_what_it_spent_in_earlier_turns(replica: Replica) -> None:
    cost = (await replica.ask(scripted(DEAR), "other")).end.cost_usd
    limit = float(cost * Decimal("1.5"))
    first = await replica.ask(scripted(DEAR), max_budget_usd=limit)
    second = await replica.ask(scripted(DEAR | {"tools": [TRUE]}, {"text": "No."}), max_budget_usd=limit)
    assert (first.end.error_code, second.end.error_code) == (None, Code.BUDGET_EXCEEDED)
    assert second.end.cost_usd == cost


async def test_an_agent_that_starts_may_spend_what_is_left(replica: Replica) -> None:
    spec = replace(replica.spec(max_budget_usd=100), budget_usd=Decimal("0.000001"))
    telling = await _ask(replica.agents, spec, bash_prompt("true"))
    assert telling.end.error_code is Code.BUDGET_EXCEEDED


WAITING = {"name": "Bash", "input": {"command": "touch begun; sleep 60", "description": "a test"}}
TRUE = {"name": "Bash", "input": {"command": "true", "description": "a test"}}


async def _ask(agents: Agents, spec: AgentSpec, prompt: str) -> Telling:
    return Telling([told async for told in agents.turn(spec, prompt)])
