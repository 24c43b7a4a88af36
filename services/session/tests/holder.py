"""A replica to kill: asks the session `one` something. Arguments: database, model, workspaces, prompt, sessions."""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from eventing.database import Database
from session.agent import Agents
from session.agent.model_proxy import ModelProxy
from session.agent.sandbox import Sandbox
from session.agent.transcript import Transcripts

from services.session.tests.replica import Replica


async def hold(database_url: str, model_url: str, workspaces: str, prompt: str, sessions: str) -> None:
    sandbox, _ = await Sandbox.find()
    async with (
        Database.open(database_url, "session") as database,
        ModelProxy(model_url, None) as proxy,
        Agents(sandbox, proxy, Transcripts(database)) as agents,
    ):
        await Replica(agents, Path(workspaces), database, UUID(sessions)).ask(prompt)


asyncio.run(hold(*sys.argv[1:]))
