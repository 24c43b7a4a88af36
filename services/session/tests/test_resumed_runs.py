"""Runs whose worker or agent was killed: they go on if it is known what the agent did, and repeat nothing."""

from pathlib import Path

from contracts.session.conversation import ListMessages, ListToolCalls
from contracts.session.run_view import RunView
from eventing.testing import eventually
from simulator.testing import bash, scripted

from services.session.tests.deployment import STALLING, Deployment, ServiceClient, Stall
from services.session.tests.processes import kill_agents_of

TIMES = {"eventing.reactions.ACK_WAIT": 3.0, "eventing.reactions.HEARTBEAT": 0.5}
EFFECT = "echo done >> effect"


async def submit_with_effect(deployment: Deployment, stall: Stall) -> tuple[RunView, Path]:
    """Submit a run that writes to a file and then answers; return it and the file in the middle of the answer."""
    client = deployment.client
    run = await client.submit(await client.create(), scripted(bash(EFFECT), STALLING))
    await eventually(stall.began.is_set)
    await deployment.wait_for_entry(run.session_id, '"tool_result"')
    return run, deployment.settings.workspaces_dir / str(run.session_id) / "effect"


async def conversation(client: ServiceClient, run: RunView) -> tuple[list[str], list[str]]:
    """Return the texts of the agent, and the statuses of its tool calls."""
    messages = (await client.ask(ListMessages(session_id=run.session_id, run_id=run.id))).items
    calls = (await client.ask(ListToolCalls(session_id=run.session_id, run_id=run.id))).items
    texts = [str(each.content["content"]) for each in messages if each.message_type == "assistant"]
    return [text for text in texts if text], [call.status for call in calls]


async def test_a_run_whose_worker_was_killed_goes_on_and_repeats_nothing(deployment: Deployment, stall: Stall) -> None:
    async with deployment.replica_process(TIMES) as first:
        await eventually(deployment.client.is_ready)
        run, effect = await submit_with_effect(deployment, stall)
        first.kill()
    stall.over.set()
    async with deployment.replica():
        ended = await deployment.client.wait_until_ended(run)
        assert (ended.status, ended.attempt, ended.text) == ("completed", 2, "It is written.")
        assert await conversation(deployment.client, run) == (["It is written."], ["success"])
    assert effect.read_text() == "done\n"


async def test_a_run_whose_agent_was_killed_goes_on_and_repeats_nothing(deployment: Deployment, stall: Stall) -> None:
    async with deployment.replica():
        run, effect = await submit_with_effect(deployment, stall)
        kill_agents_of(run.session_id)
        stall.over.set()
        ended = await deployment.client.wait_until_ended(run)
        assert (ended.status, ended.attempt, ended.text) == ("completed", 2, "It is written.")
        assert await conversation(deployment.client, run) == (["It is written."], ["success"])
    assert effect.read_text() == "done\n"
