"""What stays between turns, what ends, and who goes on when a replica is gone."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from uuid import uuid5

import pytest
import pytest_asyncio
from contracts.refusals import Code
from eventing.testing import eventually
from session.agent import AgentEvent, Finished, Limits
from session.agent.live import Agent
from session.agent.transcript import Transcripts
from simulator.testing import bash_prompt, scripted

from services.session.tests.processes import agents_of, running
from services.session.tests.replica import SESSIONS, NewReplica, Replica

NAME, WHO = scripted({"text": "Hello Ada."}, text="My name is Ada."), scripted({"recall": True}, text="Who am I?")
MARK = "/tmp/mark"
# Of this test process alone: others may run at the same time.
NAP = str(100_000 + os.getpid())
SLOW = bash_prompt(f"setsid sleep {NAP} & touch begun; sleep 60; touch ended")


async def begun(turn: AsyncGenerator[AgentEvent], replica: Replica) -> None:
    await anext(turn)
    await eventually((replica.workspaces / "one" / "begun").exists)


async def test_the_next_turn_finds_the_process_of_the_one_before(replica: Replica) -> None:
    await replica.bash(f"touch {MARK}")
    assert await replica.bash(f"ls {MARK}") == MARK


async def test_other_options_start_another_process(replica: Replica) -> None:
    await replica.bash(f"touch {MARK}")
    assert "No such file" in await replica.bash(f"ls {MARK}", max_turns=5)


async def test_an_agent_that_died_between_turns_is_replaced(replica: Replica) -> None:
    await replica.ask(NAME)
    await replica.bash("(sleep 0.3; kill -9 2) & disown; sleep 0")
    await asyncio.sleep(0.6)
    assert "Ada" in (await replica.ask(WHO)).words


async def test_no_more_agents_idle_than_may(new_replica: NewReplica) -> None:
    async with new_replica(Limits(warm_agents=1)) as replica:
        for session in ("one", "two"):
            await replica.bash(f"touch {MARK}", session)
        assert await replica.bash(f"ls {MARK}", "two") == MARK
        assert "No such file" in await replica.bash(f"ls {MARK}", "one")


async def test_an_idle_agent_makes_room_for_one_that_starts(new_replica: NewReplica) -> None:
    async with new_replica(Limits(warm_agents=1)) as replica:
        await replica.bash(f"setsid sleep {NAP} & disown", "one")
        async with aclosing(replica.begin(NAME, "two")) as turn:
            await anext(turn)
            assert not running("sleep", NAP)


async def test_no_more_agents_start_at_once_than_may(new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    starting, most, start = 0, 0, Agent.start

    async def counted(agent: Agent) -> None:
        nonlocal starting, most
        starting += 1
        most = max(most, starting)
        await start(agent)
        starting -= 1

    monkeypatch.setattr(Agent, "start", counted)
    async with new_replica(Limits(starts_at_once=1)) as replica:
        await asyncio.gather(*(replica.ask(NAME, session) for session in ("one", "two", "three")))
    assert most == 1


async def test_closing_a_session_that_waits_for_its_start_ends_it(new_replica: NewReplica) -> None:
    async with new_replica(Limits(starts_at_once=1)) as replica, asyncio.TaskGroup() as tasks:
        telling = [tasks.create_task(replica.ask(NAME, session)) for session in ("one", "two")]
        await asyncio.sleep(0.05)
        await replica.agents.close(replica.spec("two").session_id)
    assert [task.result().end.error_code for task in telling] == [None, Code.AGENT_FAILED]


async def test_an_agent_that_idles_too_long_is_ended(new_replica: NewReplica) -> None:
    async with new_replica(Limits(idle_seconds=0.2)) as replica:
        await replica.bash(f"setsid sleep {NAP} & disown")
        await eventually(lambda: bool(running("sleep", NAP)))
        await eventually(lambda: not running("sleep", NAP))


async def test_nothing_outlives_a_replica_that_ends(new_replica: NewReplica) -> None:
    async with new_replica() as replica:
        await replica.bash(f"setsid sleep {NAP} & disown")
        await eventually(lambda: bool(running("sleep", NAP)))
    assert not running("sleep", NAP)


async def test_another_replica_takes_the_conversation_up(new_replica: NewReplica) -> None:
    async with new_replica() as first:
        await first.ask(NAME)
    async with new_replica() as second:
        assert "Ada" in (await second.ask(WHO)).words


async def test_a_replica_hears_what_was_said_at_another(new_replica: NewReplica) -> None:
    async with new_replica() as first, new_replica() as second:
        await first.ask(scripted({"text": "Hello."}))
        await second.ask(NAME)
        assert "Ada" in (await first.ask(WHO)).words


async def test_a_turn_costs_the_same_in_a_new_process(new_replica: NewReplica) -> None:
    costs: list[Decimal] = []
    for _ in range(2):
        async with new_replica() as replica:
            prompt = scripted({"text": "Hello.", "input_tokens": 1000, "output_tokens": 100})
            costs.append((await replica.ask(prompt)).end.cost_usd)
    assert costs[0] == costs[1] > 0


async def test_who_leaves_a_turn_ends_all_that_it_started(replica: Replica) -> None:
    async with aclosing(replica.begin(SLOW)) as turn:
        await begun(turn, replica)
    assert not running("sleep", NAP)


async def test_who_is_cancelled_in_a_turn_ends_all_that_it_started(replica: Replica) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(replica.ask(SLOW))
        await eventually((replica.workspaces / "one" / "begun").exists)
        asking.cancel()
    assert not running("sleep", NAP)


async def test_closing_a_session_ends_its_turn(replica: Replica) -> None:
    async with aclosing(replica.begin(SLOW)) as turn:
        await begun(turn, replica)
        await replica.agents.close(replica.spec().session_id)
        assert not running("sleep", NAP)
        rest = [told async for told in turn]
    assert isinstance(rest[-1], Finished)
    assert (rest[-1].error_code, rest[-1].error_detail) == (Code.AGENT_FAILED, "The agent was stopped.")


async def test_closing_a_session_that_starts_ends_it(replica: Replica) -> None:
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(replica.ask(SLOW))
        await asyncio.sleep(0.05)
        await replica.agents.close(replica.spec().session_id)
    assert telling.result().end.error_code is Code.AGENT_FAILED


async def test_closing_twice_does_nothing(replica: Replica) -> None:
    await replica.ask(NAME)
    await replica.agents.close(replica.spec().session_id)
    await replica.agents.close(replica.spec().session_id)


async def test_a_call_cut_short_by_a_crash_is_not_repeated(new_replica: NewReplica) -> None:
    async with new_replica() as first:
        await first.ask(NAME)
        await first.ask(bash_prompt("echo run >> runs; kill -9 2; sleep 60"))
    async with new_replica() as second:
        assert "Ada" in (await second.ask(WHO)).words
        assert (second.workspaces / "one" / "runs").read_text() == "run\n"


async def test_nothing_outlives_a_replica_that_is_killed(killed: Path) -> None:
    await eventually(lambda: not running("sleep", NAP))
    await eventually(lambda: not agents_of(uuid5(SESSIONS, "one")))


async def test_another_replica_goes_on_for_one_that_is_killed(killed: Path, replica: Replica) -> None:
    assert '"text": "Run it."' in (await replica.ask(WHO)).words
    assert not (replica.workspaces / "one" / "ended").exists()


@pytest_asyncio.fixture
async def killed(transcripts: Transcripts, database_url: str, model_url: str, tmp_path: Path) -> Path:
    """Kill a replica in the middle of a tool call."""
    workspaces = tmp_path / "workspaces"
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.session.tests.holder"),
        *(database_url, model_url, str(workspaces), SLOW, str(SESSIONS)),
    )
    try:
        await eventually((workspaces / "one" / "begun").exists)
        await eventually(lambda: bool(running("sleep", NAP)))
        await eventually(transcripts.open(uuid5(SESSIONS, "one")).begun, within=60)
    finally:
        holder.kill()
        await holder.wait()
    return workspaces
