"""What stays between turns, what ends, and who goes on when a replica is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from session.agent import Limits
from session.transcript import Transcripts

from services.session.tests.conftest import NewReplica, Replica, bash, scripted

NAME, WHO = scripted("My name is Ada.", {"text": "Hello Ada."}), scripted("Who am I?", {"recall": True})
MARK = "/tmp/mark"
SLOW = bash("setsid sleep 98765 & touch begun; sleep 60; touch ended")


def running(*words: str) -> list[int]:
    """Give the processes of this machine whose command line has these words."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if set(words) <= set(line):
            found.append(int(path.parent.name))
    return found


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


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
    async with new_replica(Limits(idle_agents=1)) as replica:
        for session in ("one", "two"):
            await replica.bash(f"touch {MARK}", session)
        assert await replica.bash(f"ls {MARK}", "two") == MARK
        assert "No such file" in await replica.bash(f"ls {MARK}", "one")


async def test_an_agent_that_idles_too_long_is_ended(new_replica: NewReplica) -> None:
    async with new_replica(Limits(idle_seconds=0.2)) as replica:
        await replica.bash("setsid sleep 98764 & disown")
        assert running("sleep", "98764")
        await until(lambda: not running("sleep", "98764"))


async def test_another_replica_takes_the_conversation_up(new_replica: NewReplica) -> None:
    async with new_replica() as first:
        await first.ask(NAME)
    async with new_replica() as second:
        assert "Ada" in (await second.ask(WHO)).words


async def test_a_replica_hears_what_was_said_at_another(new_replica: NewReplica) -> None:
    async with new_replica() as first, new_replica() as second:
        await first.ask(scripted("Hi.", {"text": "Hello."}))
        await second.ask(NAME)
        assert "Ada" in (await first.ask(WHO)).words


async def test_a_turn_costs_the_same_in_a_new_process(new_replica: NewReplica) -> None:
    costs = []
    for _ in range(2):
        async with new_replica() as replica:
            prompt = scripted("Hi.", {"text": "Hello.", "input_tokens": 1000, "output_tokens": 100})
            costs.append((await replica.ask(prompt)).end.cost_usd)
    assert costs[0] == costs[1] > 0
