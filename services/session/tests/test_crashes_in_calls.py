"""Runs whose worker is killed in the middle of a command: the command is not run again without approval."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from contracts.refusals import Code
from contracts.session.approval import ApprovalView, DecideApproval, ListApprovals
from contracts.session.run_view import RunView
from contracts.session.values import AfterCrash, Mode
from eventing.testing import eventually
from simulator.testing import DONE, bash, scripted

from services.session.tests.deployment import Deployment
from services.session.tests.test_resumed_runs import TIMES, conversation

EFFECT = bash("echo done >> effect; [ -e killed ] || sleep 300")
REPEATING = scripted(EFFECT, EFFECT, DONE)
KILL = "echo done >> effect; kill -9 $PPID; sleep 60"
KILLED_AT_ONCE = (bash("sleep 0.5"), bash(KILL))
"""The second call kills its agent, which has not written it to its transcript yet, so that the model makes it again."""


@asynccontextmanager
async def killed_in_a_call(
    deployment: Deployment, after_crash: AfterCrash | None, mode: Mode = "interactive"
) -> AsyncGenerator[tuple[RunView, Path]]:
    """Kill the only replica in the middle of a run's command, and run another one; yield the run and what it wrote."""
    client = deployment.client
    async with deployment.replica_process(TIMES) as first:
        await eventually(client.is_ready)
        run = await client.submit(await client.create(mode, after_crash=after_crash), REPEATING)
        effect = deployment.settings.workspaces_dir / str(run.session_id) / "effect"
        await eventually(effect.exists)
        await client.wait_for_tool_call(run)
        first.kill()
    effect.with_name("killed").touch()
    async with deployment.replica():
        yield run, effect


async def decide(deployment: Deployment, run: RunView, decision: Literal["approved", "denied"]) -> ApprovalView:
    async def pending() -> list[ApprovalView]:
        return (await deployment.client.ask(ListApprovals(session_id=run.session_id, status="pending"))).items

    [view] = await eventually(pending)
    return await deployment.client.ask(DecideApproval(approval_id=view.id, decision=decision))


async def test_a_run_killed_in_a_call_asks_and_does_not_repeat_what_is_denied(deployment: Deployment) -> None:
    async with killed_in_a_call(deployment, None) as (run, effect):
        asked = await decide(deployment, run, "denied")
        ended = await deployment.client.wait_until_ended(run)
        assert (asked.kind, ended.status, ended.text) == ("outcome", "completed", "Done.")
        assert await conversation(deployment.client, run) == (["Done."], ["unknown", "denied"])
    assert effect.read_text() == "done\n"


@pytest.mark.long
@pytest.mark.claude_code
async def test_a_run_killed_in_a_call_repeats_it_once_it_is_approved(deployment: Deployment) -> None:
    async with killed_in_a_call(deployment, "ask") as (run, effect):
        await decide(deployment, run, "approved")
        await deployment.client.wait_until_ended(run)
        assert await conversation(deployment.client, run) == (["Done."], ["unknown", "success"])
    assert effect.read_text() == "done\ndone\n"


@pytest.mark.long
@pytest.mark.claude_code
async def test_a_run_killed_in_a_call_goes_on_without_repeating_it(deployment: Deployment) -> None:
    async with killed_in_a_call(deployment, "continue", "non_interactive") as (run, effect):
        ended = await deployment.client.wait_until_ended(run)
        assert (ended.status, ended.attempt) == ("completed", 2)
        assert await conversation(deployment.client, run) == (["Done."], ["unknown", "denied"])
    assert effect.read_text() == "done\n"


async def test_a_run_killed_in_a_call_ends_and_names_the_tool(deployment: Deployment) -> None:
    async with killed_in_a_call(deployment, None, "non_interactive") as (run, effect):
        ended = await deployment.client.wait_until_ended(run)
        assert (ended.error_code, "a call of Bash" in (ended.error_detail or "")) == (Code.RUN_INTERRUPTED, True)
    assert effect.read_text() == "done\n"


@pytest.mark.long
@pytest.mark.claude_code
async def test_a_call_that_the_transcript_lacks_is_not_made_again(deployment: Deployment) -> None:
    async with deployment.replica():
        session_id = await deployment.client.create("non_interactive", after_crash="continue")
        run = await deployment.client.submit(session_id, scripted(*KILLED_AT_ONCE, DONE))
        ended = await deployment.client.wait_until_ended(run)
        texts, statuses = await conversation(deployment.client, run)
    assert (ended.status, ended.attempt, texts) == ("completed", 2, ["Done."])
    assert (statuses[:2], {*statuses[2:]} <= {"denied"}) == (["success", "unknown"], True)
    assert (deployment.settings.workspaces_dir / str(session_id) / "effect").read_text() == "done\n"


@pytest.mark.long
@pytest.mark.claude_code
async def test_people_are_asked_about_a_call_that_the_transcript_lacks(deployment: Deployment) -> None:
    script = scripted(*KILLED_AT_ONCE, {"recall": True})
    async with deployment.replica():
        run = await deployment.client.submit(await deployment.client.create(after_crash="ask"), script)
        asked = await decide(deployment, run, "denied")
        ended = await deployment.client.wait_until_ended(run)
        assert (asked.kind, asked.tool_input["command"], ended.status) == ("outcome", KILL, "completed")
        assert KILL in ended.text  # the next agent knows it
