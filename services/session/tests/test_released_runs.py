"""Runs that are released while they wait for approvals, and continue once they are decided."""

from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.samples import USER
from contracts.session.approval import ApprovalView, DecideApproval, ListApprovals
from contracts.session.conversation import ListToolCalls
from contracts.session.quota import GetUsage
from contracts.session.run import CancelRun, GetRun, RunView
from eventing.testing import eventually
from runtime.clock import new_id
from session.reactions import approval as approvals
from simulator.testing import bash, calling, scripted

from services.session.tests.deployment import Deployment, ServiceClient
from services.session.tests.processes import agents_of

ONCE = bash("echo once >> made")
RETRIED = (ONCE, {"text": "the notice with which an agent closes what was cut"}, ONCE, {"text": "Done."})
"""The agent makes its call again when it is started again."""


@pytest.fixture(autouse=True)
def _frequent_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.2)


def changed(deployment: Deployment, **settings: Any) -> Deployment:
    """Return the deployment with other settings."""
    return Deployment(deployment.settings.model_copy(update=settings), deployment.client.connection)


async def wait_for_approval(client: ServiceClient, run: RunView) -> ApprovalView:
    """Wait until a run has requested an approval, and return it."""

    async def pending() -> ApprovalView | None:
        page = await client.ask(ListApprovals(status="pending", session_id=run.session_id))
        return page.items[0] if page.items else None

    return await eventually(pending)


async def ask(client: ServiceClient, *turns: dict[str, Any]) -> tuple[RunView, ApprovalView]:
    """Submit a query whose agent waits for an approval."""
    session_id = await client.create(allowed_tools=["Read", "Write"])
    run = await client.submit(session_id, scripted(*(turns or RETRIED)))
    return run, await wait_for_approval(client, run)


async def approve(client: ServiceClient, approval: ApprovalView) -> None:
    await client.ask(DecideApproval(approval_id=approval.id, decision="approved"))


async def wait_until_released(client: ServiceClient, run: RunView) -> RunView:
    """Wait until a run has no agent, and return it."""
    await eventually(lambda: not agents_of(run.session_id))

    async def released() -> RunView | None:
        latest = await client.ask(GetRun(session_id=run.session_id, run_id=run.id))
        return latest if latest.usage.input_tokens else None

    return await eventually(released)


def made(deployment: Deployment, session_id: UUID) -> str:
    """Return what the approved call has written."""
    return (deployment.settings.workspaces_dir / str(session_id) / "made").read_text()


async def test_waiting_runs_make_room_for_others_and_continue(deployment: Deployment) -> None:
    connection = deployment.client.connection
    users = [ServiceClient(connection, Actor(user_id=new_id(), role="user")) for _ in range(3)]
    async with changed(deployment, runs_at_once=1).replica():
        asked = [(user, *await ask(user)) for user in users[:2]]
        third = await users[2].run(await users[2].create(), scripted({"text": "fine"}))
        assert third.text == "fine"
        for user, run, approval in asked:
            await approve(user, approval)
            assert (await user.wait_until_ended(run)).text == "Done."
            assert made(deployment, run.session_id) == "once\n"


async def test_a_run_that_has_waited_too_long_is_released_and_continues(deployment: Deployment) -> None:
    client = deployment.client
    async with changed(deployment, waiting_agent_seconds=0.5).replica():
        run, approval = await ask(client)
        released = await wait_until_released(client, run)
        assert (released.status, released.attempt) == ("waiting_approval", 1)
        await approve(client, approval)
        ended = await client.wait_until_ended(run)
    assert (ended.text, ended.attempt, made(deployment, run.session_id)) == ("Done.", 2, "once\n")
    assert ended.usage.input_tokens > released.usage.input_tokens
    assert ended.usage.cost_usd > released.usage.cost_usd > 0


async def test_calls_that_had_ended_keep_their_results(deployment: Deployment) -> None:
    client, write = deployment.client, calling(("Write", {"file_path": "/workspace/first", "content": "kept"}))
    async with changed(deployment, waiting_agent_seconds=0.5).replica():
        run, approval = await ask(client, write, *RETRIED)
        await wait_until_released(client, run)
        await approve(client, approval)
        assert (await client.wait_until_ended(run)).text == "Done."
        calls = (await client.ask(ListToolCalls(session_id=run.session_id))).items
    assert [(call.tool_name, call.status) for call in calls] == [
        ("Write", "success"),
        ("Bash", "interrupted"),
        ("Bash", "success"),
    ]


async def test_files_of_a_released_run_are_counted(deployment: Deployment) -> None:
    client, write = deployment.client, calling(("Write", {"file_path": "/workspace/first", "content": "x" * 5_000}))

    async def counted() -> bool:
        usage = await client.ask(GetUsage(user_id=UUID(USER), role="user"))
        return usage.storage_bytes.used >= 5_000

    async with changed(deployment, waiting_agent_seconds=0.5).replica():
        run, _ = await ask(client, write, *RETRIED)
        await wait_until_released(client, run)
        await eventually(counted)
        await client.ask(CancelRun(session_id=run.session_id, run_id=run.id))


async def test_another_replica_continues_a_released_run(deployment: Deployment) -> None:
    client, eager = deployment.client, changed(deployment, waiting_agent_seconds=0.5)
    async with eager.replica_process({"session.reactions.approval.POLL_SECONDS": 0.2}) as process:
        await eventually(client.is_ready)
        run, approval = await ask(client)
        await wait_until_released(client, run)
        process.kill()
        await process.wait()
    async with deployment.replica():
        await approve(client, approval)
        assert (await client.wait_until_ended(run)).text == "Done."
    assert made(deployment, run.session_id) == "once\n"


async def test_a_run_whose_worker_died_waits_without_a_place(deployment: Deployment) -> None:
    client = deployment.client
    async with deployment.replica_process({}) as process:
        await eventually(client.is_ready)
        run, approval = await ask(client)
        process.kill()
        await process.wait()
    async with changed(deployment, runs_at_once=1).replica():
        other = await client.run(await client.create(), scripted({"text": "fine"}))
        assert other.text == "fine"
        await approve(client, approval)
        assert (await client.wait_until_ended(run)).text == "Done."
    assert made(deployment, run.session_id) == "once\n"


async def test_a_released_run_can_be_cancelled(deployment: Deployment) -> None:
    client = deployment.client
    async with changed(deployment, waiting_agent_seconds=0.5).replica():
        run, _ = await ask(client)
        released = await wait_until_released(client, run)
        await client.ask(CancelRun(session_id=run.session_id, run_id=run.id))
        ended = await client.wait_until_ended(run)
        assert (ended.status, ended.usage) == ("cancelled", released.usage)
        assert (await client.run(run.session_id, scripted({"text": "fine"}))).text == "fine"
