"""The agents of one replica, and what their turns tell."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from contracts.session.values import SdkOptions, TextBlock
from eventing.database import Database
from session.agent import AgentEvent, Agents, AgentSpec, AssistantMessage, Finished, ToolReturned
from simulator.testing import bash_prompt

WORKS_FOR = "UPDATE conversations SET run_id = $2 WHERE session_id = $1"
PROVIDER_KEY = "sk-key-of-the-provider"
SESSIONS = uuid5(NAMESPACE_OID, str(os.getpid()))
"""Of this test process alone: others run at the same time, and agents are found by the ids of their sessions."""


class Telling(list[AgentEvent]):
    """What a turn told."""

    @property
    def words(self) -> str:
        """What the model said."""
        said = [told for told in self if isinstance(told, AssistantMessage)]
        return " ".join(block.text for told in said for block in told.blocks if isinstance(block, TextBlock))

    @property
    def outputs(self) -> list[str]:
        """What the tools gave."""
        return [told.output["content"] for told in self if isinstance(told, ToolReturned)]

    @property
    def end(self) -> Finished:
        """How the turn ended."""
        last = self[-1]
        assert isinstance(last, Finished)
        return last


class Replica:
    """The agents of one replica; sessions go by names here."""

    def __init__(self, agents: Agents, workspaces: Path, database: Database, sessions: UUID = SESSIONS) -> None:
        self.agents, self.workspaces, self.database, self.sessions = agents, workspaces, database, sessions

    def spec(self, session: str = "one", **options: Any) -> AgentSpec:
        """Give the spec of a session whose tools are all allowed."""
        wanted = SdkOptions.model_validate({"permission_mode": "bypassPermissions", **options})
        return AgentSpec(uuid5(self.sessions, session), self.workspaces / session, wanted)

    async def for_run(self, run_id: UUID) -> AgentSpec:
        """Give the spec of an agent of session `one` that works for a run, which is started."""
        spec = replace(self.spec(), run_id=run_id)
        await self.database.execute(WORKS_FOR, spec.session_id, run_id)
        return spec

    def begin(self, prompt: str, session: str = "one", **options: Any) -> AsyncGenerator[AgentEvent]:
        """Begin a turn."""
        return self.agents.turn(self.spec(session, **options), prompt)

    async def ask(self, prompt: str, session: str = "one", **options: Any) -> Telling:
        """Give all that a turn tells."""
        return Telling([told async for told in self.begin(prompt, session, **options)])

    async def bash(self, command: str, session: str = "one", **options: Any) -> str:
        """Let the agent run a command, and give what that wrote."""
        return (await self.ask(bash_prompt(command), session, **options)).outputs[0]


type NewReplica = Callable[..., AbstractAsyncContextManager[Replica]]
