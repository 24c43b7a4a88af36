"""Two replicas: a conversation stays with the one that has its warm agent, as long as there is one."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.wire import work_stream
from eventing.reactions import offers as offering
from eventing.testing import eventually
from runtime.bus import Client
from runtime.bus.jetstream import jetstream
from runtime.metrics import metrics_of
from simulator.testing import bash, scripted

from services.session.tests.deployment import Deployment, ServiceClient
from services.session.tests.processes import agents_of

RUNS = "session-run_agent"
RECALL = scripted({"recall": True}, text="Who am I?")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let replicas find out whether they have an agent, and wait for answers to offers, however busy the machine is."""
    monkeypatch.setattr(offering, "OFFER_SECONDS", 60.0)


def offers(outcome: str) -> float:
    """Return how many offers of this process had an outcome."""
    return (
        metrics_of("eventing").get_sample_value("work_offered_total", {"reaction": "run_agent", "outcome": outcome})
        or 0
    )


def agent_of(session_id: UUID) -> int:
    """Return the id of the process that a session's agent began with."""
    return agents_of(session_id)[0]


async def agents_of_turns(client: ServiceClient, session_id: UUID, turns: int) -> set[int]:
    """Run turns one after the other, and return the agents that ran them."""
    agents = set[int]()
    for n in range(turns):
        assert (await client.run(session_id, scripted({"text": str(n)}))).text == str(n)
        agents.add(agent_of(session_id))
    return agents


@pytest.mark.usefixtures("patience")
async def test_turns_and_queued_runs_over_two_replicas_start_one_agent(deployment: Deployment) -> None:
    async with deployment.replica(), deployment.replica():
        accepted, session_id = offers("accepted"), await deployment.client.create()
        agents = await agents_of_turns(deployment.client, session_id, 6)
        runs = [await deployment.client.submit(session_id, scripted({"text": "fine"}), "enqueue") for _ in range(6)]
        for run in runs:
            assert (await deployment.client.wait_until_ended(run)).text == "fine"
        assert (agents, offers("accepted") > accepted) == ({agent_of(session_id)}, True)


@pytest.mark.long
@pytest.mark.usefixtures("patience")
async def test_conversations_stay_in_the_replicas_that_they_began_in(deployment: Deployment) -> None:
    async with deployment.replica(), deployment.replica():
        ids = [await deployment.client.create() for _ in range(4)]
        agents = await asyncio.gather(*(agents_of_turns(deployment.client, session_id, 4) for session_id in ids))
    assert [len(pids) for pids in agents] == [1] * 4


@pytest.mark.usefixtures("patience")
async def test_a_single_replica_makes_no_offer_for_a_warm_agent(deployment: Deployment) -> None:
    async with deployment.replica():
        session_id = await deployment.client.create()
        await deployment.client.run(session_id, "Hello.")
        before = [offers(outcome) for outcome in ("accepted", "refused", "no_answer", "no_holder")]
        await agents_of_turns(deployment.client, session_id, 3)
        assert [offers(outcome) for outcome in ("accepted", "refused", "no_answer", "no_holder")] == before


async def both_wait_for_runs(connection: Client) -> bool:
    """Return whether two replicas are ready to take runs from the bus."""
    return (await jetstream(connection).consumer_info(work_stream("session"), RUNS)).num_waiting == 2


@pytest.fixture
async def held(deployment: Deployment) -> AsyncGenerator[tuple[UUID, asyncio.subprocess.Process]]:
    """Provide a session whose agent is in a replica of another process, beside one in this process."""
    async with deployment.replica_process({"eventing.reactions.ACK_WAIT": 2.0}) as holder:
        await eventually(deployment.client.is_ready)
        session_id = await deployment.client.create()
        await deployment.client.run(session_id, "My name is Ada.")
        async with deployment.replica():
            await eventually(lambda: both_wait_for_runs(deployment.client.connection))
            yield session_id, holder


@pytest.mark.long
@pytest.mark.usefixtures("patience")
async def test_the_other_replica_continues_after_the_holder_was_killed_in_a_turn(
    deployment: Deployment, held: tuple[UUID, asyncio.subprocess.Process]
) -> None:
    (session_id, holder), accepted = held, offers("accepted")
    while offers("accepted") == accepted:
        await deployment.client.run(session_id, scripted({"text": "still here"}))
    run = await deployment.client.submit(session_id, scripted(bash("touch begun; sleep 300"), {"text": "never"}))
    await eventually((deployment.settings.workspaces_dir / str(session_id) / "begun").exists)
    await deployment.client.wait_for_tool_call(run)
    holder.kill()
    await holder.wait()
    assert (await deployment.client.wait_until_ended(run)).error_code is Code.RUN_INTERRUPTED
    assert "Ada" in (await deployment.client.run(session_id, RECALL)).text


async def test_a_conversation_moves_when_its_holder_ends(deployment: Deployment) -> None:
    async with AsyncExitStack() as others:
        async with deployment.replica():
            session_id = await deployment.client.create()
            await deployment.client.run(session_id, "My name is Ada.")
            await others.enter_async_context(deployment.replica())
            await eventually(lambda: both_wait_for_runs(deployment.client.connection))
        assert "Ada" in (await deployment.client.run(session_id, RECALL)).text
        assert len(await agents_of_turns(deployment.client, session_id, 2)) == 1


@pytest.mark.long
async def test_a_conversation_moves_when_its_holder_is_restarted(
    deployment: Deployment, held: tuple[UUID, asyncio.subprocess.Process]
) -> None:
    session_id, holder = held
    holder.send_signal(signal.SIGTERM)
    assert "Ada" in (await deployment.client.run(session_id, RECALL)).text
    await holder.wait()
    assert len(await agents_of_turns(deployment.client, session_id, 2)) == 1
