"""What becomes of a conversation when a worker that was taken for dead comes back to life."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.refusals import Code
from contracts.session.run import CancelRun
from eventing.testing import eventually
from session.settings import Settings
from simulator.testing import bash, scripted

from services.session.tests.deployment import SLOW, Deployment
from services.session.tests.processes import agents_of

WAITING = scripted(bash("touch begun; until [ -e go ]; do sleep 0.05; done; touch gone"), {"text": "too late"})


@asynccontextmanager
async def another_process(settings: Settings) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a replica that can be stopped as a whole."""
    names = ("database_url", "nats_url", "workspaces_dir", "model_base_url")
    variables = {name.upper(): str(getattr(settings, name)) for name in names}
    path = os.get_exec_path()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "session", env={**variables, "PATH": os.pathsep.join(path)}
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def test_a_worker_resumed_after_a_takeover_writes_nothing(deployment: Deployment) -> None:
    other = deployment.settings.model_copy(update={"runs_at_once": 1})
    async with Deployment(other, deployment.client.connection).replica():
        busy = await deployment.client.submit(await deployment.client.create(), SLOW)
        await deployment.client.wait_for_tool_call(busy)
        session_id = await deployment.client.create()
        files = deployment.settings.workspaces_dir / str(session_id)
        async with another_process(deployment.settings) as stopped:
            run = await deployment.client.submit(session_id, WAITING)
            await eventually((files / "begun").exists, within=60)
            following = await deployment.client.submit(session_id, "My name is Ada.", "enqueue")
            await deployment.client.ask(CancelRun(session_id=busy.session_id, run_id=busy.id))
            cells = Path(tempfile.gettempdir()).glob
            assert [*cells(f"agentapi-session-{stopped.pid}-*/agent-*")]
            stopped.send_signal(signal.SIGSTOP)
            (files / "go").touch()  # its agent goes on for some seconds, and nobody hears it yet
            await eventually((files / "gone").exists, within=60)
            assert (await deployment.client.wait_until_ended(run)).error_code is Code.RUN_INTERRUPTED
            assert (await deployment.client.wait_until_ended(following)).status == "completed"
            stopped.send_signal(signal.SIGCONT)
            await eventually(lambda: not [*cells(f"agentapi-session-{stopped.pid}-*/agent-*")], within=60)
            text = (await deployment.client.run(session_id, scripted({"recall": True}))).text
            assert ("Ada" in text, text.count("too late")) == (True, 1)  # it stands in the first prompt


async def test_the_agent_of_a_stopped_worker_ends_itself(deployment: Deployment) -> None:
    async with another_process(deployment.settings) as stopped:
        await eventually(deployment.client.is_ready, within=60)
        session_id = await deployment.client.create()
        files = deployment.settings.workspaces_dir / str(session_id)
        await deployment.client.submit(session_id, WAITING)
        await eventually((files / "begun").exists, within=60)
        await asyncio.sleep(3)  # it has heard that the worker lives
        assert agents_of(session_id)
        stopped.send_signal(signal.SIGSTOP)
        await eventually(lambda: not agents_of(session_id), within=60)
