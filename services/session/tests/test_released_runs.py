"""Runs that are released while they wait for approvals, and continue once they are decided."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.messages import Actor
from contracts.samples import USER
from contracts.session.approval import ApprovalView, DecideApproval, ListApprovals
from contracts.session.conversation import ListToolCalls, ToolCallView
from contracts.session.quota import GetUsage
from contracts.session.run import CancelRun, GetRun
from contracts.session.run_view import RunView
from eventing import reactions
from eventing.testing import eventually
from runtime.clock import new_id
from session.agent import places
from session.reactions import approval as approvals
from simulator.testing import bash, calling, scripted

from services.session.tests.deployment import Deployment, NewDeployment, ServiceClient
from services.session.tests.processes import agents_of

ONCE = bash("echo once >> made")
RETRIED = (ONCE, ONCE, {"text": "Done."})
"""The agent makes its call again when it is started again."""


WRITE = calling(("Write", {"file_path": "/workspace/first", "content": "x" * 5_000}))


@pytest.fixture(autouse=True, scope="module")
def _frequent_polls() -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approvals, "POLL_SECONDS", 0.2)
        yield


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


async def test_waiting_runs_make_room_for_others_and_continue(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MIN_SECONDS", 0.2)
    connection = deployment.client.connection
    users = [ServiceClient(connection, Actor(user_id=new_id(), role="user")) for _ in range(3)]
    async with deployment.changed(runs_at_once=1).replica():
        asked = [(user, *await ask(user)) for user in users[:2]]
        third = await users[2].run(await users[2].create(), scripted({"text": "fine"}))
        assert third.text == "fine"
        for user, run, approval in asked:
            await approve(user, approval)
            assert (await user.wait_until_ended(run)).text == "Done."
            assert made(deployment, run.session_id) == "once\n"


@dataclass
class Release:
    """A run that is released while it waits, when another replica has continued it, and one that is cancelled."""

    released: RunView
    ended: RunView
    calls: list[ToolCallView]
    made: str
    storage_bytes: int
    other: RunView
    cancelled: RunView
    next: RunView


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def release(new_deployment: NewDeployment) -> Release:
    async with new_deployment(waiting_agent_seconds=0.5) as deployment:
        client = deployment.client
        async with deployment.replica():
            (run, approval), (second, _) = await ask(client, WRITE, *RETRIED), await ask(client)
            released, other = await wait_until_released(client, run), await wait_until_released(client, second)
        async with deployment.replica():
            used = await stored(client)
            await approve(client, approval)
            ended = await client.wait_until_ended(run)
            await client.ask(CancelRun(session_id=second.session_id, run_id=second.id))
            cancelled = await client.wait_until_ended(second)
            following = await client.run(second.session_id, scripted({"text": "fine"}))
            calls = (await client.ask(ListToolCalls(session_id=run.session_id))).items
            return Release(released, ended, calls, made(deployment, run.session_id), used, other, cancelled, following)


async def stored(client: ServiceClient) -> int:
    """Wait until the files of the released run are counted, and return how many bytes are stored."""

    async def counted() -> int:
        usage = await client.ask(GetUsage(user_id=UUID(USER), role="user"))
        return usage.storage_bytes.used

    return await eventually(counted)


def test_a_run_that_has_waited_too_long_is_released(release: Release) -> None:
    assert (release.released.status, release.released.attempt) == ("waiting_approval", 1)


def test_another_replica_continues_a_released_run(release: Release) -> None:
    assert (release.ended.text, release.ended.attempt, release.made) == ("Done.", 2, "once\n")


def test_the_usage_of_a_released_run_is_added_up(release: Release) -> None:
    released, ended = release.released.usage, release.ended.usage
    assert ended.input_tokens > released.input_tokens
    assert ended.cost_usd > released.cost_usd > 0


def test_calls_that_had_ended_keep_their_results(release: Release) -> None:
    assert [(call.tool_name, call.status) for call in release.calls] == [
        ("Write", "success"),
        ("Bash", "interrupted"),
        ("Bash", "success"),
    ]


def test_files_of_a_released_run_are_counted(release: Release) -> None:
    assert release.storage_bytes >= 5_000


def test_a_released_run_can_be_cancelled(release: Release) -> None:
    assert (release.cancelled.status, release.cancelled.usage) == ("cancelled", release.other.usage)
    assert release.next.text == "fine"


async def test_a_run_whose_worker_died_waits_without_a_place(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "ACK_WAIT", 1.0)
    monkeypatch.setattr(reactions, "HEARTBEAT", 0.3)
    client = deployment.client
    async with deployment.replica() as died:
        run, approval = await ask(client)
        died.cancel()
    async with deployment.changed(runs_at_once=1).replica():
        assert (await client.run(await client.create(), scripted({"text": "fine"}))).text == "fine"
        await approve(client, approval)
        assert (await client.wait_until_ended(run)).text == "Done."
    assert made(deployment, run.session_id) == "once\n"
