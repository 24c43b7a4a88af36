"""Replicas of the session service that share a database and a bus, and those with settings of their own."""

import asyncio

import pytest
from contracts.identity.user import GetActor
from contracts.mcp_registry.server import ResolveServers
from contracts.refusals import Code, Refusal
from contracts.session.conversation import ListToolCalls
from contracts.session.run import CancelRun, GetRun
from eventing import reactions
from eventing.testing import eventually
from simulator.testing import DONE, bash, calling, scripted

from services.gateway.tests.fake_services import FakeServices
from services.session.tests.deployment import SLOW, Deployment
from services.session.tests.desk import OWNER
from services.session.tests.mcp_servers import program


async def test_a_run_whose_worker_died_ends_as_interrupted(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "ACK_WAIT", 1.0)
    async with deployment.replica() as first:
        session_id = await deployment.client.create()
        run = await deployment.client.submit(session_id, scripted(bash("touch begun; sleep 300"), DONE))
        await eventually((deployment.settings.workspaces_dir / str(session_id) / "begun").exists)
        async with deployment.replica():
            first.cancel()
            run = await deployment.client.wait_until_ended(run)
            assert (run.error_code, [call.status for call in run.tool_calls]) == ("RUN_INTERRUPTED", ["unknown"])
            assert (await deployment.client.run(session_id, scripted({"text": "fine"}))).text == "fine"


async def test_a_run_is_cancelled_in_any_replica_and_the_next_one_starts(deployment: Deployment) -> None:
    async with deployment.replica(), deployment.replica():
        session_id = await deployment.client.create()
        run = await deployment.client.submit(session_id, SLOW)
        following = await deployment.client.submit(session_id, scripted({"text": "fine"}), "enqueue")
        await deployment.client.wait_for_tool_call(run)
        run = await deployment.client.ask(CancelRun(session_id=session_id, run_id=run.id))
        assert (run.status, [call.status for call in run.tool_calls]) == ("cancelled", ["interrupted"])
        assert (await deployment.client.wait_until_ended(following)).text == "fine"


@pytest.mark.long
async def test_the_budget_of_a_session_holds_across_replicas(deployment: Deployment) -> None:
    expensive = {"text": "Hello.", "input_tokens": 100_000}
    async with deployment.replica():
        cost = (await deployment.client.run(await deployment.client.create(), scripted(expensive))).usage.cost_usd
        session_id = await deployment.client.create(max_budget_usd=float(cost) * 1.5)
        assert (await deployment.client.run(session_id, scripted(expensive))).status == "completed"
    async with deployment.replica():
        run = await deployment.client.run(session_id, scripted(expensive | bash("true"), {"text": "never"}))
        assert (run.error_code, run.usage.cost_usd > 0) == (Code.BUDGET_EXCEEDED, True)
        with pytest.raises(Refusal, match=Code.BUDGET_EXCEEDED):
            await deployment.client.submit(session_id, "More?")


async def test_a_run_beyond_the_concurrency_limit_waits(deployment: Deployment) -> None:
    deployment.settings = deployment.settings.model_copy(update={"runs_at_once": 1})
    async with deployment.replica():
        first = await deployment.client.submit(await deployment.client.create(), SLOW)
        await deployment.client.wait_for_tool_call(first)
        second = await deployment.client.submit(await deployment.client.create(), scripted({"text": "fine"}))
        await asyncio.sleep(0.3)
        assert (await deployment.client.ask(GetRun(session_id=second.session_id, run_id=second.id))).status == "queued"
        await deployment.client.ask(CancelRun(session_id=first.session_id, run_id=first.id))
        assert (await deployment.client.wait_until_ended(second)).text == "fine"


async def test_a_tool_that_hangs_is_ended_by_the_time_limit(deployment: Deployment) -> None:
    services = FakeServices(deployment.client.connection)
    await services.answer(GetActor, OWNER)
    await services.answer(ResolveServers, [program()])
    deployment.settings = deployment.settings.model_copy(update={"tool_seconds": 2})
    hanging = calling(("mcp__lab__evaluate", {"code": "time.sleep(600)"}))
    async with deployment.replica():
        session_id = await deployment.client.create(mcp_servers=["lab"], allowed_tools=["mcp__lab"])
        run = await deployment.client.run(session_id, scripted(hanging, DONE))
        [call] = (await deployment.client.ask(ListToolCalls(session_id=session_id))).items
    assert (run.status, "within 2 seconds" in str(call.tool_output)) == ("completed", True)
