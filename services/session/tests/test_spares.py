"""Agents that are started before a session needs them."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from eventing.testing import eventually
from runtime.metrics import metrics_of
from session.agent import Limits
from session.agent.claiming import ClaimFailed
from session.agent.failures import AgentFailed
from session.agent.prestarted import PrestartedAgent
from session.agent.spares import MAX_FAILURES
from session.workspace.parked import FOLDER
from simulator.testing import scripted

from services.session.tests.processes import agents_of
from services.session.tests.replica import NewReplica, Replica
from services.session.tests.test_agents import ASK_NAME, GIVE_NAME

ALICE, BOB = UUID(int=1), UUID(int=2)
HELLO = scripted({"text": "Hello."})
NAMED = "SELECT count(*) FROM transcript WHERE session_id = $1 AND entry LIKE '%\"sessionId\": \"' || $2 || '\"%'"


@pytest.fixture
def frequent_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let replicas look often for agents that nobody needs."""
    for module in ("session.agent", "session.agent.spares"):
        monkeypatch.setattr(f"{module}.SWEEP_SECONDS", 0.1)


def claims(outcome: str = "claimed") -> float:
    """Return how many claims of this process had an outcome."""
    return metrics_of("session").get_sample_value("agent_claims_total", {"outcome": outcome}) or 0


def ready(replica: Replica) -> list[PrestartedAgent]:
    return [agent for agent in replica.agents.spares.agents if agent.ready]


async def fill(replica: Replica, session: str = "three", number: int = 1, **options: Any) -> list[PrestartedAgent]:
    """Let a first session ask, and wait for the agents that are started for others like it."""
    await replica.ask(HELLO, session, **options)
    await eventually(lambda: len(ready(replica)) == number)
    return ready(replica)


def folders(replica: Replica) -> list[Path]:
    return sorted((replica.workspaces / FOLDER).glob("*"))


def process_of(agent: PrestartedAgent) -> int:
    return agents_of(UUID(agent.folder.name))[-1]


async def test_the_second_new_session_claims_an_agent_that_runs_already(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        before, [spare] = claims(), await fill(replica)
        assert (await replica.ask(GIVE_NAME)).text == "Hello Ada."
        assert (claims() - before, await replica.agents.has_warm(replica.spec().session_id)) == (1, True)
        assert (process_of(spare) > 0, folders(replica).count(spare.folder)) == (True, 0)


async def test_no_agent_is_started_before_the_first_session(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        await asyncio.sleep(0.1)
        assert (replica.agents.spares.agents, folders(replica)) == ([], [])


async def test_an_agent_that_was_claimed_is_replaced(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        first = await fill(replica)
        await replica.ask(GIVE_NAME)
        await eventually(lambda: len(ready(replica)) == 1)
        assert ready(replica) != first


async def test_no_agent_is_started_beside_the_first_turn_of_a_claimed_one(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.agent.spares.REFILL_SECONDS", 60.0)
    async with new_replica(Limits(spares=1)) as replica:
        await fill(replica)
        await replica.ask(GIVE_NAME)
        assert replica.agents.spares.agents == []


@pytest.mark.claude_code
async def test_the_conversation_of_a_claimed_agent_continues_in_another_process(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        await replica.ask(GIVE_NAME)
        session_id = replica.spec().session_id
        await replica.agents.close(session_id)
        assert "Ada" in (await replica.ask(ASK_NAME)).text
        named = [
            await replica.database.fetchval(NAMED, str(session_id), name)
            for name in (str(session_id), spare.folder.name)
        ]
        assert (named[0] > 0, named[1]) == (True, 0)


async def test_a_session_with_a_conversation_leaves_the_agent_to_others(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        await replica.ask(GIVE_NAME)
        await replica.agents.close(replica.spec().session_id)
        [spare] = await fill(replica)
        assert "Ada" in (await replica.ask(ASK_NAME)).text
        assert ready(replica) == [spare]
        assert (await replica.ask(GIVE_NAME, "two")).text == "Hello Ada."
        assert spare.spec.session_id == replica.spec("two").session_id


async def test_a_session_with_files_leaves_the_agent_to_others(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        (replica.workspaces / "one").mkdir()
        (replica.workspaces / "one" / "note").write_text("hello")
        assert await replica.bash("cat note") == "hello"
        assert ready(replica) == [spare]


async def test_a_session_with_other_options_starts_an_agent_of_its_own(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        missed = claims("missed")
        await fill(replica)
        await replica.ask(HELLO, max_turns=5)
        assert claims("missed") - missed == 2


async def test_the_prestarted_agents_follow_what_the_last_sessions_needed(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        await fill(replica)
        await replica.ask(HELLO, max_turns=5)
        await eventually(lambda: [agent.profile.options.max_turns for agent in ready(replica)] == [5])


async def test_prestarted_agents_end_when_no_session_comes(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        later = time.monotonic() + Limits().idle_seconds
        monkeypatch.setattr("session.agent.demand.time", Mock(monotonic=lambda: later))
        replica.agents.spares._changed.set()  # pyright: ignore[reportPrivateUsage]
        await eventually(lambda: not (agents_of(UUID(spare.folder.name)) or folders(replica)))


async def test_prestarted_agents_end_with_their_replica(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=2)) as replica:
        await fill(replica)
        spares = replica.agents.spares.agents
    assert [agents_of(UUID(spare.folder.name)) for spare in spares] == [[]] * len(spares)
    assert folders(replica) == []


async def test_prestarted_agents_count_as_idle_ones_and_end_first(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=2, warm_agents=2)) as replica:
        await fill(replica)
        await asyncio.gather(replica.ask(HELLO, "one", max_turns=5), replica.ask(HELLO, "two", max_turns=5))
        assert [agents_of(replica.spec(name).session_id) != [] for name in ("one", "two")] == [True, True]
        assert replica.agents.spares.agents == []


async def test_a_prestarted_agent_that_died_is_not_claimed(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        os.kill(process_of(spare), signal.SIGKILL)
        await eventually(lambda: not spare.ready)
        assert (await replica.ask(GIVE_NAME)).text == "Hello Ada."


async def test_a_session_whose_claim_fails_starts_an_agent_of_its_own(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        failed, [spare] = claims("failed"), await fill(replica)
        monkeypatch.setattr("session.agent.prestarted.choose", AsyncMock(side_effect=ClaimFailed("unknown request")))
        assert (await replica.ask(GIVE_NAME)).text == "Hello Ada."
        assert (claims("failed") - failed, agents_of(UUID(spare.folder.name))) == (1, [])


async def test_an_agent_whose_folder_was_removed_is_outdated(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        before, [spare] = (claims("failed"), claims("missed")), await fill(replica)
        spare.folder.rmdir()
        assert (await replica.ask(GIVE_NAME)).text == "Hello Ada."
        assert (claims("failed") - before[0], claims("missed") - before[1]) == (0, 2)
        assert agents_of(UUID(spare.folder.name)) == []


@pytest.mark.usefixtures("frequent_sweeps")
async def test_folders_are_kept_while_no_agent_can_be_started(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=2, max_concurrent_starts=1)) as replica:
        [spare] = await fill(replica)
        slots, spares = replica.agents._start_slots, replica.agents.spares  # pyright: ignore[reportPrivateUsage]
        async with slots.take(None):
            spares.note_new(replica.spec())
            await eventually(lambda: slots._waiting)  # pyright: ignore[reportPrivateUsage]
            os.utime(spare.folder, (0, 0))
            await eventually(lambda: spare.folder.stat().st_mtime > 0)
            assert spares.agents == [spare]


@pytest.mark.parametrize("error", [AgentFailed("unknown option"), RuntimeError("no database")], ids=["cli", "other"])
async def test_no_agents_are_started_in_advance_where_that_fails(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(PrestartedAgent, "start", AsyncMock(side_effect=error))
    async with new_replica(Limits(spares=1)) as replica:
        for session in ("one", "two", "three")[:MAX_FAILURES]:
            assert (await replica.ask(HELLO, session)).text == "Hello."
        await eventually(lambda: replica.agents.spares.number == 0)
        assert folders(replica) == []


async def test_a_prestarted_agent_reaches_no_model_before_its_claim(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        assert spare._token not in replica.agents._context.proxy._served  # pyright: ignore[reportPrivateUsage]
        await replica.ask(GIVE_NAME)
        assert spare._token in replica.agents._context.proxy._served  # pyright: ignore[reportPrivateUsage]


async def test_a_prepared_session_has_its_agent_before_its_first_turn(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        assert await replica.agents.spares.prepare(replica.spec())
        assert await replica.agents.has_warm(replica.spec().session_id)
        assert (await replica.ask(GIVE_NAME)).text == "Hello Ada."
        assert spare.spec.session_id == replica.spec().session_id


async def test_a_prepared_session_with_files_at_its_first_turn_starts_an_agent(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        assert await replica.agents.spares.prepare(replica.spec())
        (replica.workspaces / "one" / "note").write_text("hello")
        assert not await replica.agents.has_warm(replica.spec().session_id)
        assert await replica.bash("cat note") == "hello"
        assert agents_of(UUID(spare.folder.name)) == []


async def test_a_claimed_agent_keeps_the_session_whose_first_turn_wrote_files(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        await replica.agents.spares.prepare(replica.spec())
        await replica.bash("touch made")
        assert await replica.agents.has_warm(replica.spec().session_id)
        assert (await replica.bash("ls"), process_of(spare) > 0) == ("made", True)


async def test_a_turn_waits_for_the_claim_that_is_in_progress(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        _, turn = await asyncio.gather(replica.agents.spares.prepare(replica.spec()), replica.ask(GIVE_NAME))
        assert (turn.text, spare.spec.session_id) == ("Hello Ada.", replica.spec().session_id)


async def test_a_user_has_as_many_unused_agents_as_there_are_prestarted(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        await fill(replica)
        assert replica.agents.spares.may_prepare(ALICE)
        await replica.agents.spares.prepare(replace(replica.spec(), owner=ALICE))
        await eventually(lambda: len(ready(replica)) == 1)
        assert (replica.agents.spares.may_prepare(ALICE), replica.agents.spares.may_prepare(BOB)) == (False, True)
        await replica.run(replace(replica.spec(), owner=ALICE), HELLO)
        assert replica.agents.spares.may_prepare(ALICE)


async def test_the_last_agent_is_not_for_the_user_who_took_all_others(
    new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.agent.demand.GREEDY_SECONDS", 600.0)
    async with new_replica(Limits(spares=1)) as replica:
        await replica.run(replace(replica.spec("three"), owner=BOB), HELLO)
        await replica.run(replace(replica.spec("other"), owner=ALICE), HELLO)
        await eventually(lambda: len(ready(replica)) == 1)
        [spare] = ready(replica)
        await replica.run(replace(replica.spec("two"), owner=ALICE), HELLO)
        assert ready(replica) == [spare]
        await replica.run(replace(replica.spec("one"), owner=BOB), HELLO)
        assert spare.spec.owner == BOB


@pytest.mark.usefixtures("frequent_sweeps")
async def test_an_unused_agent_is_ended_soon(new_replica: NewReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.agent.spares.UNUSED_SECONDS", 0.0)
    async with new_replica(Limits(spares=1)) as replica:
        [spare] = await fill(replica)
        await replica.agents.spares.prepare(replica.spec())
        await eventually(lambda: not agents_of(UUID(spare.folder.name)))
