"""The life of agents: reuse between turns, limits, and continuation in another replica."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import UUID, uuid5

import pytest
import pytest_asyncio
from contracts.refusals import Code
from eventing.database import Database
from eventing.testing import eventually
from runtime.metrics import metrics_of
from sandbox import SandboxedProcess
from session.agent import AgentEvent, AssistantMessage, Finished, Limits
from session.agent import transcript as transcript_module
from session.agent.live import Agent
from session.agent.transcript import Transcript, Transcripts
from simulator.testing import bash_prompt, scripted

from services.session.tests.processes import agents_of, running
from services.session.tests.replica import NewReplica, Replica, TurnEvents, own_sessions

GIVE_NAME = scripted({"text": "Hello Ada."}, text="My name is Ada.")
ASK_NAME = scripted({"recall": True}, text="Who am I?")
MARK = "/tmp/mark"
ALICE, BOB = UUID(int=1), UUID(int=2)
# Unique to this test process: others may run at the same time.
NAP_SECONDS = str(100_000 + os.getpid())
SLOW = bash_prompt(f"setsid sleep {NAP_SECONDS} & touch begun; sleep 60; touch ended")


async def wait_until_begun(turn: AsyncGenerator[AgentEvent], replica: Replica) -> None:
    await anext(turn)
    await eventually((replica.workspaces / "one" / "begun").exists)


def warm_of(*names: str) -> list[str]:
    """Return those of the sessions that have an agent."""
    return [name for name in names if agents_of(uuid5(own_sessions(), name))]


async def test_the_next_turn_reuses_the_agent_process(replica: Replica) -> None:
    before = metrics_of("session").get_sample_value("agent_starts_total") or 0
    await replica.bash(f"touch {MARK}")
    assert await replica.bash(f"ls {MARK}") == MARK
    assert metrics_of("session").get_sample_value("agent_starts_total") == before + 1


async def test_an_agent_is_warm_between_its_turns(replica: Replica) -> None:
    session_id = replica.spec().session_id
    assert not await replica.agents.has_warm(session_id)
    async with aclosing(replica.begin(GIVE_NAME)) as turn:
        await anext(turn)
        assert not await replica.agents.has_warm(session_id)
        async for _ in turn:
            pass
    assert await replica.agents.has_warm(session_id)
    replica.agents.cancel(session_id)
    assert not await replica.agents.has_warm(session_id)


async def test_a_message_is_yielded_once_the_conversation_has_it(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, append = list[str](), Transcript.append

    async def append_slowly(transcript: Transcript, subpath: str, entries: list[Any]) -> None:
        is_answer = any(entry["type"] == "assistant" for entry in entries)
        await asyncio.sleep(0.3 * is_answer)
        await append(transcript, subpath, entries)
        order.extend(["stored"] * is_answer)

    monkeypatch.setattr(Transcript, "append", append_slowly)
    monkeypatch.setattr(transcript_module, "ENTRY_SECONDS", 60.0)
    async for event in replica.begin(bash_prompt("true")):
        order.extend(["yielded"] * isinstance(event, AssistantMessage))
    assert order == ["stored", "yielded"] * 2


async def test_changed_options_start_a_new_process(replica: Replica) -> None:
    await replica.bash(f"touch {MARK}")
    assert "No such file" in await replica.bash(f"ls {MARK}", max_turns=5)


async def test_agents_are_counted_by_what_they_do(replica: Replica) -> None:
    def working_and_warm() -> list[float | None]:
        replica.agents.count()
        return [metrics_of("session").get_sample_value("agents", {"state": state}) for state in ("working", "warm")]

    async with aclosing(replica.begin(GIVE_NAME)) as turn:
        await anext(turn)
        assert working_and_warm() == [1, 0]
        async for _ in turn:
            pass
    assert working_and_warm() == [0, 1]


async def test_an_agent_that_died_between_turns_is_replaced(replica: Replica) -> None:
    await replica.ask(GIVE_NAME)
    os.kill(agents_of(replica.spec().session_id)[-1], signal.SIGKILL)
    await eventually(lambda: not agents_of(replica.spec().session_id))
    assert "Ada" in (await replica.ask(ASK_NAME)).text


async def test_the_number_of_idle_agents_is_limited(new_replica: NewReplica) -> None:
    async with new_replica(Limits(warm_agents=1)) as replica:
        for session in ("one", "two"):
            await replica.bash(f"touch {MARK}", session)
        assert await replica.bash(f"ls {MARK}", "two") == MARK
        assert "No such file" in await replica.bash(f"ls {MARK}", "one")


async def test_an_idle_agent_is_ended_before_a_new_one_starts(new_replica: NewReplica) -> None:
    async with new_replica(Limits(warm_agents=1)) as replica:
        await replica.ask(GIVE_NAME, "one")
        async with aclosing(replica.begin(GIVE_NAME, "two")) as turn:
            await anext(turn)
            assert not agents_of(uuid5(own_sessions(), "one"))


async def test_agents_of_one_user_do_not_replace_those_of_another(new_replica: NewReplica) -> None:
    async with new_replica(Limits(warm_agents=2)) as replica:
        for name, user in (("one", BOB), ("two", ALICE), ("three", ALICE), ("other", ALICE)):
            await replica.run(replace(replica.spec(name), owner=user), GIVE_NAME)
        assert warm_of("one", "two", "three", "other") == ["one", "other"]


async def test_the_number_of_idle_agents_of_a_user_is_limited(new_replica: NewReplica) -> None:
    async with new_replica(Limits(warm_agents_per_user=1)) as replica:
        for name, user in (("one", ALICE), ("two", BOB), ("three", ALICE)):
            await replica.run(replace(replica.spec(name), owner=user), GIVE_NAME)
        assert warm_of("one", "two", "three") == ["two", "three"]


async def test_no_program_outlives_the_turn_that_started_it(replica: Replica) -> None:
    nap = f"setsid nohup sleep {NAP_SECONDS}"
    await replica.bash(f"touch {MARK}; {nap} > /dev/null 2>&1 & disown; sleep 0.2")
    assert not running(NAP_SECONDS)
    assert await replica.bash(f"ls {MARK}") == MARK


async def test_an_agent_that_keeps_memory_is_not_kept_warm(new_replica: NewReplica) -> None:
    async with new_replica(Limits(warm_memory_bytes=220 * 2**20)) as replica:  # an idle agent has 120 MiB
        await replica.ask(GIVE_NAME)
        assert await replica.agents.has_warm(replica.spec().session_id)
        await replica.bash("head -c 220M /dev/zero > /tmp/file")
        assert not agents_of(replica.spec().session_id)


async def test_an_agent_whose_process_does_not_answer_is_not_kept_warm(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SandboxedProcess, "end_children", AsyncMock(side_effect=TimeoutError))
    assert (await replica.ask(GIVE_NAME)).end.error_code is None
    assert not await replica.agents.has_warm(replica.spec().session_id)


async def test_the_number_of_concurrent_starts_is_limited(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, maximum, start = 0, 0, Agent.start

    async def counted(agent: Agent) -> None:
        nonlocal starting, maximum
        starting += 1
        maximum = max(maximum, starting)
        await start(agent)
        starting -= 1

    monkeypatch.setattr(Agent, "start", counted)
    async with new_replica(Limits(max_concurrent_starts=1)) as replica:
        await asyncio.gather(*(replica.ask(GIVE_NAME, session) for session in ("one", "two", "three")))
    assert maximum == 1


async def test_closing_a_session_ends_an_agent_that_waits_to_start(new_replica: NewReplica) -> None:
    async with new_replica(Limits(max_concurrent_starts=1)) as replica, asyncio.TaskGroup() as tasks:
        turns = [tasks.create_task(replica.ask(GIVE_NAME, session)) for session in ("one", "two")]
        await eventually(lambda: len(replica.agents._live) == 2)  # pyright: ignore[reportPrivateUsage]
        await replica.agents.close(replica.spec("two").session_id)
    assert [task.result().end.error_code for task in turns] == [None, Code.AGENT_FAILED]


async def test_an_agent_that_is_idle_too_long_is_ended(new_replica: NewReplica) -> None:
    async with new_replica(Limits(idle_seconds=0.2)) as replica:
        await replica.ask(GIVE_NAME)
        await eventually(lambda: not agents_of(replica.spec().session_id))


async def test_no_process_outlives_a_replica_that_shuts_down(new_replica: NewReplica) -> None:
    async with new_replica() as replica, aclosing(replica.begin(SLOW)) as turn:
        await wait_until_begun(turn, replica)
        await eventually(lambda: bool(running("sleep", NAP_SECONDS)))
    assert not running("sleep", NAP_SECONDS)


async def test_the_conversation_continues_in_another_replica_and_back(new_replica: NewReplica) -> None:
    async with new_replica() as first, new_replica() as second:
        await first.ask(GIVE_NAME)
        assert "Ada" in (await second.ask(ASK_NAME)).text
        session_id = first.spec().session_id
        assert [await replica.agents.has_warm(session_id) for replica in (first, second)] == [False, True]
        await second.ask(scripted({"text": "Hello Bob."}, text="My name is Bob."))
        assert "Bob" in (await first.ask(ASK_NAME)).text


async def test_usage_and_cost_cover_one_turn_only_in_any_process(new_replica: NewReplica) -> None:
    prompt, ends = scripted({"text": "Hello.", "input_tokens": 1000, "output_tokens": 100}), list[Finished]()
    for turns in (2, 1):
        async with new_replica() as replica:
            ends += [(await replica.ask(prompt)).end for _ in range(turns)]
    assert {(end.input_tokens, end.output_tokens) for end in ends} == {(1000, 100)}
    assert ends[0].cost_usd == ends[1].cost_usd == ends[2].cost_usd > 0


async def test_leaving_a_turn_ends_all_processes_that_it_started(replica: Replica) -> None:
    async with aclosing(replica.begin(SLOW)) as turn:
        await wait_until_begun(turn, replica)
    assert not running("sleep", NAP_SECONDS)


async def test_cancelling_a_turn_ends_all_processes_that_it_started(replica: Replica) -> None:
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(replica.ask(SLOW))
        await eventually((replica.workspaces / "one" / "begun").exists)
        turn.cancel()
    assert not running("sleep", NAP_SECONDS)


async def test_closing_a_session_ends_its_turn(replica: Replica) -> None:
    async with aclosing(replica.begin(SLOW)) as turn:
        await wait_until_begun(turn, replica)
        for _ in range(2):  # the second time, there is nothing to do
            await replica.agents.close(replica.spec().session_id)
        assert not running("sleep", NAP_SECONDS)
        end = TurnEvents([event async for event in turn]).end
    assert (end.error_code, end.error_detail) == (Code.AGENT_FAILED, "The agent was stopped.")


async def test_closing_a_session_ends_an_agent_that_is_starting(replica: Replica) -> None:
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(replica.ask(SLOW))
        await eventually(lambda: replica.agents._live)  # pyright: ignore[reportPrivateUsage]
        await replica.agents.close(replica.spec().session_id)
    assert turn.result().end.error_code is Code.AGENT_FAILED


async def test_a_tool_call_interrupted_by_a_crash_is_not_repeated(new_replica: NewReplica) -> None:
    async with new_replica() as first:
        await first.ask(GIVE_NAME)
        await first.ask(bash_prompt("echo run >> runs; kill -9 2; sleep 60"))
    async with new_replica() as second:
        assert "Ada" in (await second.ask(ASK_NAME)).text
        assert (second.workspaces / "one" / "runs").read_text() == "run\n"


async def test_another_replica_continues_for_one_that_is_killed(after_kill: None, replica: Replica) -> None:
    await eventually(lambda: not running("sleep", NAP_SECONDS))
    await eventually(lambda: not agents_of(uuid5(own_sessions(), "one")))
    assert '"text": "Run it."' in (await replica.ask(ASK_NAME)).text
    assert not (replica.workspaces / "one" / "ended").exists()


@pytest_asyncio.fixture
async def after_kill(transcripts: Transcripts, model_url: str, tmp_path: Path, agent_path: Path) -> None:
    """Kill a replica during a tool call."""
    workspaces = tmp_path / "workspaces"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.session.tests.replica"),
        *(
            cast(Database, transcripts.database).url,
            model_url,
            str(workspaces),
            SLOW,
            str(own_sessions()),
            str(agent_path),
        ),
    )
    try:
        await eventually((workspaces / "one" / "begun").exists)
        await eventually(lambda: bool(running("sleep", NAP_SECONDS)))
        await eventually(transcripts.open(uuid5(own_sessions(), "one")).is_resumable, within=60)
    finally:
        process.kill()
        await process.wait()
