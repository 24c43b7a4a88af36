"""Quotas with whole replicas and real agents; only the model is simulated."""

import asyncio
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import USER
from contracts.session.quota import GetUsage, UsageView
from contracts.session.run import CancelRun, GetRun
from contracts.session.run_view import RunView
from eventing.testing import eventually
from simulator.testing import bash, scripted

from services.session.tests.deployment import SLOW, STALLING, Deployment, ServiceClient, Stall
from services.session.tests.test_takeover import TIMES

EXPENSIVE = scripted(*[bash("true") | {"input_tokens": 100_000}] * 8, {"text": "never"})


def set_quotas(deployment: Deployment, quotas: str) -> None:
    deployment.settings = deployment.settings.model_copy(update={"quotas": quotas})


async def usage(client: ServiceClient) -> UsageView:
    return await client.ask(GetUsage(user_id=UUID(USER), role="user"))


async def statuses(client: ServiceClient, runs: list[RunView]) -> list[str]:
    return [(await client.ask(GetRun(session_id=run.session_id, run_id=run.id))).status for run in runs]


async def submit_all(client: ServiceClient, message: str, number: int) -> list[RunView]:
    sessions = [await client.create() for _ in range(number)]
    return await asyncio.gather(*(client.submit(session, message) for session in sessions))


@pytest.mark.long
async def test_two_replicas_run_exactly_the_quota_of_parallel_queries(deployment: Deployment, stall: Stall) -> None:
    set_quotas(deployment, "concurrent_runs=2")
    async with deployment.replica(), deployment.replica():
        client = deployment.client
        runs = await submit_all(client, scripted(bash("true"), STALLING), 6)
        most = 0
        while "queued" in await statuses(client, runs):
            most = max(most, (await usage(client)).concurrent_runs.used)
            if most >= 2:
                stall.over.set()
        ended = [await client.wait_until_ended(run) for run in runs]
    assert ([run.text for run in ended], most) == (["It is written."] * 6, 2)


async def test_a_cancelled_run_lets_the_next_one_start(deployment: Deployment) -> None:
    set_quotas(deployment, "concurrent_runs=1")
    async with deployment.replica():
        client = deployment.client
        [first, second] = [await client.submit(await client.create(), SLOW) for _ in range(2)]
        await client.wait_for_tool_call(first)
        await client.ask(CancelRun(session_id=first.session_id, run_id=first.id))
        await client.wait_for_tool_call(second)
        await client.ask(CancelRun(session_id=second.session_id, run_id=second.id))


async def test_a_run_that_spends_the_budget_of_the_month_is_ended(deployment: Deployment) -> None:
    set_quotas(deployment, "budget_per_month_usd=1")
    async with deployment.replica():
        client = deployment.client
        run = await client.run(await client.create(), EXPENSIVE)
        with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED):
            await client.submit(await client.create(), "More?")
        assert (run.error_code, run.usage.cost_usd) == (
            Code.QUOTA_EXCEEDED,
            (await usage(client)).budget_per_month_usd.used,
        )


@pytest.mark.long
async def test_parallel_runs_do_not_each_spend_the_rest_of_the_budget(deployment: Deployment) -> None:
    set_quotas(deployment, "budget_per_month_usd=1")
    async with deployment.replica(), deployment.replica():
        client = deployment.client
        ended = [await client.wait_until_ended(run) for run in await submit_all(client, EXPENSIVE, 4)]
        used = (await usage(client)).budget_per_month_usd.used
        with pytest.raises(Refusal, match=Code.QUOTA_EXCEEDED):
            await client.submit(await client.create(), "More?")
    assert [run.error_code for run in ended] == [Code.QUOTA_EXCEEDED] * 4
    assert sum(run.usage.cost_usd for run in ended) == used
    assert 1 <= used < 3  # four answers in progress cost 1.6


@pytest.mark.long
async def test_a_queued_run_starts_after_its_replica_was_killed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_quotas(deployment, "concurrent_runs=1")
    for name, value in TIMES.items():
        monkeypatch.setattr(name, value)
    client = deployment.client
    async with deployment.replica_process(TIMES) as killed:
        await eventually(client.is_ready)
        lost = await client.submit(await client.create(), scripted(bash("touch begun; sleep 300"), {"text": "never"}))
        await eventually((deployment.settings.workspaces_dir / str(lost.session_id) / "begun").exists)
        await client.wait_for_tool_call(lost)
        queued = await client.submit(await client.create(), scripted({"text": "fine"}))
        killed.kill()
    async with deployment.replica():
        assert (await client.wait_until_ended(lost)).error_code is Code.RUN_INTERRUPTED
        assert (await client.wait_until_ended(queued)).text == "fine"
