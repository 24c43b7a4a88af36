"""Runs whose worker is killed as they reach a limit: they end because of it, and nobody is asked about their calls."""

import asyncio

import pytest
from contracts.refusals import Code
from contracts.session.approval import ListApprovals
from contracts.session.run_view import RunView
from eventing.database import Database
from eventing.testing import eventually
from session.workspace import quota
from simulator.testing import bash, scripted

from services.session.tests.deployment import SLOW, Deployment
from services.session.tests.test_resumed_runs import TIMES

pytestmark = pytest.mark.long

TIME_IS_OVER = "SELECT worked_ms >= 2000 FROM runs WHERE id = $1"
NEVER_MEASURED = {"session.workspace.quota.MAX_BYTES": 1_000, "session.reactions.space.POLL_SECONDS": 600}
FILLING = scripted(bash("head -c 2000 /dev/zero > large; touch written; sleep 300"))


async def ended_by_another(deployment: Deployment, run: RunView) -> RunView:
    """Return a run as it has ended once another replica was started, after checking that nobody was asked."""
    async with deployment.replica():
        ended = await deployment.client.wait_until_ended(run)
        asked = await deployment.client.ask(ListApprovals(session_id=run.session_id))
    assert asked.items == []
    return ended


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
async def test_a_run_killed_as_its_time_is_over_ends_by_it(deployment: Deployment, delay: float) -> None:
    client = deployment.client
    async with (
        deployment.replica_process(TIMES) as first,
        Database.open(deployment.settings.database_url, "session") as database,
    ):
        await eventually(client.is_ready)
        run = await client.submit(await client.create(timeout_seconds=2, after_crash="ask"), SLOW)
        await eventually(lambda: database.fetchval(TIME_IS_OVER, run.id))
        await asyncio.sleep(delay)
        first.kill()
    assert (await ended_by_another(deployment, run)).error_code is Code.RUN_TIMEOUT


async def test_a_run_killed_in_a_full_workspace_ends_by_it(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MAX_BYTES", 1_000)
    client = deployment.client
    async with deployment.replica_process({**TIMES, **NEVER_MEASURED}) as first:
        await eventually(client.is_ready)
        run = await client.submit(await client.create(after_crash="ask"), FILLING)
        await eventually((deployment.settings.workspaces_dir / str(run.session_id) / "written").exists)
        first.kill()
    assert (await ended_by_another(deployment, run)).error_code is Code.WORKSPACE_FULL
