"""The conversation of a session after a takeover, when the replaced worker resumes."""

import signal
import tempfile
from pathlib import Path

import pytest
from contracts.refusals import Code
from contracts.session.run import CancelRun
from eventing.testing import eventually
from simulator.testing import bash, scripted

from services.session.tests.deployment import SLOW, Deployment
from services.session.tests.processes import agents_of

pytestmark = pytest.mark.long

WAITING = scripted(bash("touch begun; until [ -e go ]; do sleep 0.05; done; touch gone"), {"text": "too late"})
# Short times: another worker takes the run over soon, and an agent learns soon that its worker is alive.
ACK_WAIT, HEARTBEAT = "eventing.reactions.ACK_WAIT", "eventing.reactions.HEARTBEAT"
LIFE = "sandbox.heartbeats.HEARTBEAT_SECONDS"
TIMES = {ACK_WAIT: 3.0, HEARTBEAT: 0.5, LIFE: 0.1}


def sandboxes(pid: int) -> list[Path]:
    """Return the folders of the sandboxes of a service process."""
    return [*Path(tempfile.gettempdir()).glob(f"agentapi-session-{pid}-*/sandbox-*")]


async def test_a_worker_resumed_after_a_takeover_writes_nothing(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TIMES.items():
        monkeypatch.setattr(name, value)
    client = deployment.client
    one_run = deployment.settings.model_copy(update={"runs_at_once": 1})
    async with Deployment(one_run, client.connection).replica():
        busy = await client.submit(await client.create(), SLOW)
        await client.wait_for_tool_call(busy)
        session_id = await client.create()
        files = deployment.settings.workspaces_dir / str(session_id)
        async with deployment.replica_process(TIMES) as stopped:
            run = await client.submit(session_id, WAITING)
            await eventually((files / "begun").exists)
            following = await client.submit(session_id, "My name is Ada.", "enqueue")
            await client.ask(CancelRun(session_id=busy.session_id, run_id=busy.id))
            assert sandboxes(stopped.pid)
            stopped.send_signal(signal.SIGSTOP)
            (files / "go").touch()  # the agent continues for some seconds; its worker reads the events once resumed
            await eventually((files / "gone").exists)
            assert (await client.wait_until_ended(run)).error_code is Code.RUN_INTERRUPTED
            assert (await client.wait_until_ended(following)).status == "completed"
            stopped.send_signal(signal.SIGCONT)
            await eventually(lambda: not sandboxes(stopped.pid))
            text = (await client.run(session_id, scripted({"recall": True}))).text
            assert ("Ada" in text, text.count("too late")) == (True, 1)  # the first prompt contains it once


async def test_the_agent_of_a_stopped_worker_ends_itself(deployment: Deployment) -> None:
    async with deployment.replica_process(TIMES) as stopped:
        await eventually(deployment.client.is_ready)
        session_id = await deployment.client.create()
        await deployment.client.submit(session_id, WAITING)
        await eventually((deployment.settings.workspaces_dir / str(session_id) / "begun").exists)
        assert agents_of(session_id)
        stopped.send_signal(signal.SIGSTOP)
        await eventually(lambda: not agents_of(session_id))


async def test_an_agent_that_gets_only_its_first_heartbeat_ends_itself(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LIFE, 600.0)
    async with deployment.replica():
        run = await deployment.client.submit(await deployment.client.create(), WAITING)
        assert (await deployment.client.wait_until_ended(run)).error_code is Code.RUN_INTERRUPTED
