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

from services.session.tests.box import SLOW, Box
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


async def test_a_worker_that_stood_still_writes_nothing_into_what_others_went_on_with(box: Box) -> None:
    other = box.settings.model_copy(update={"runs_at_once": 1})
    async with Box(other, box.remote.client).replica():
        busy = await box.remote.submit(await box.remote.create(), SLOW)
        await box.remote.calls_a_tool(busy)
        session_id = await box.remote.create()
        files = box.settings.workspaces_dir / str(session_id)
        async with another_process(box.settings) as stopped:
            run = await box.remote.submit(session_id, WAITING)
            await eventually((files / "begun").exists, within=60)
            following = await box.remote.submit(session_id, "My name is Ada.", "enqueue")
            await box.remote.ask(CancelRun(session_id=busy.session_id, run_id=busy.id))
            cells = Path(tempfile.gettempdir()).glob
            assert [*cells(f"agentapi-session-{stopped.pid}-*/agent-*")]
            stopped.send_signal(signal.SIGSTOP)
            (files / "go").touch()  # its agent goes on for some seconds, and nobody hears it yet
            await eventually((files / "gone").exists, within=60)
            assert (await box.remote.ended(run)).error_code is Code.RUN_INTERRUPTED
            assert (await box.remote.ended(following)).status == "completed"
            stopped.send_signal(signal.SIGCONT)
            await eventually(lambda: not [*cells(f"agentapi-session-{stopped.pid}-*/agent-*")], within=60)
            text = (await box.remote.run(session_id, scripted({"recall": True}))).text
            assert ("Ada" in text, text.count("too late")) == (True, 1)  # it stands in the first prompt


async def test_the_agent_of_a_worker_that_stands_still_ends_itself(box: Box) -> None:
    async with another_process(box.settings) as stopped:
        await eventually(box.remote.answers, within=60)
        session_id = await box.remote.create()
        files = box.settings.workspaces_dir / str(session_id)
        await box.remote.submit(session_id, WAITING)
        await eventually((files / "begun").exists, within=60)
        await asyncio.sleep(3)  # it has heard that the worker lives
        assert agents_of(session_id)
        stopped.send_signal(signal.SIGSTOP)
        await eventually(lambda: not agents_of(session_id), within=60)
