"""The agents of one replica, and the events of their turns.

As a program, it runs one turn of the session `one` in a replica to be killed. Arguments: the addresses of the database
and of the model, the folder of the workspaces, the prompt, the namespace of the session ids, and the program of the
agent.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from contracts.session.values import SdkOptions, TextBlock, ToolUseBlock
from eventing.database import Database
from mcp_connection.testing import InMemoryConnector
from sandbox import Sandbox
from session.agent import AgentEvent, Agents, AgentSpec, Ask, AssistantMessage, Finished, ToolReturned
from session.agent.agent_process import probe_of
from session.agent.model_proxy import ModelProxy
from session.agent.options import deny_all
from session.agent.transcript import Transcripts
from session.mcp.connections import Connections
from simulator.testing import bash_prompt

ASSIGN_RUN = "UPDATE conversations SET run_id = $2 WHERE session_id = $1"
PROVIDER_KEY = "sk-plantedsecret-of-the-provider"


def own_sessions() -> UUID:
    """Return the namespace of the sessions of this test process.

    Other processes run tests at the same time, and agents are found by their session ids.
    """
    return uuid5(NAMESPACE_OID, str(os.getpid()))


class TurnEvents(list[AgentEvent]):
    """The events of a turn."""

    @property
    def messages(self) -> list[AssistantMessage]:
        """The messages of the model."""
        return [event for event in self if isinstance(event, AssistantMessage)]

    @property
    def text(self) -> str:
        """The text of all messages of the model."""
        blocks = [block for message in self.messages for block in message.blocks]
        return " ".join(block.text for block in blocks if isinstance(block, TextBlock))

    @property
    def outputs(self) -> list[str]:
        """The outputs of all tool calls, in the order of their results."""
        return [event.output["content"] for event in self if isinstance(event, ToolReturned)]

    @property
    def denied(self) -> list[bool]:
        """Whether each tool call was denied, in the order of their results."""
        return [event.denied for event in self if isinstance(event, ToolReturned)]

    @property
    def bash_results(self) -> dict[str, ToolReturned]:
        """The results of the Bash calls, by command."""
        results = {event.tool_use_id: event for event in self if isinstance(event, ToolReturned)}
        calls = [block for message in self.messages for block in message.blocks if isinstance(block, ToolUseBlock)]
        return {call.input["command"]: results[call.id] for call in calls if call.name == "Bash"}

    @property
    def end(self) -> Finished:
        """The end of the turn."""
        last = self[-1]
        assert isinstance(last, Finished)
        return last


class Replica:
    """The agents of one replica. Sessions are identified by names here."""

    def __init__(self, agents: Agents, workspaces: Path, database: Database, sessions: UUID | None = None) -> None:
        self.agents, self.workspaces, self.database = agents, workspaces, database
        self.sessions = sessions or own_sessions()

    def spec(self, session: str = "one", **options: Any) -> AgentSpec:
        """Return the specification of an agent that may use all tools."""
        sdk_options = SdkOptions.model_validate({"permission_mode": "bypassPermissions", **options})
        return AgentSpec(uuid5(self.sessions, session), self.workspaces / session, sdk_options)

    async def start_run(self, run_id: UUID) -> AgentSpec:
        """Assign a run to session `one`, and return the specification of its agent."""
        spec = replace(self.spec(), run_id=run_id)
        await self.database.execute(ASSIGN_RUN, spec.session_id, run_id)
        return spec

    def begin(self, prompt: str, session: str = "one", **options: Any) -> AsyncGenerator[AgentEvent]:
        """Begin a turn."""
        return self.agents.turn(self.spec(session, **options), prompt)

    async def run(self, spec: AgentSpec, prompt: str, ask: Ask = deny_all) -> TurnEvents:
        """Run a turn of the agent with this specification, and return its events."""
        return TurnEvents([event async for event in self.agents.turn(spec, prompt, ask)])

    async def ask(self, prompt: str, session: str = "one", **options: Any) -> TurnEvents:
        """Run a turn, and return its events."""
        return await self.run(self.spec(session, **options), prompt)

    async def bash(self, command: str, session: str = "one", **options: Any) -> str:
        """Run a command through the agent, and return its output."""
        return (await self.ask(bash_prompt(command), session, **options)).outputs[0]


type NewReplica = Callable[..., AbstractAsyncContextManager[Replica]]


async def _run_turn(
    database_url: str, model_url: str, workspaces: str, prompt: str, sessions: str, program: str
) -> None:
    sandbox, _ = await Sandbox.find(probe_of(Path(program)))
    async with (
        Database.open(database_url, "session") as database,
        ModelProxy(model_url, None) as proxy,
        InMemoryConnector({}) as connector,
        Connections(connector) as connections,
        Agents(sandbox, proxy, Transcripts(database), connections, program=Path(program)) as agents,
    ):
        await Replica(agents, Path(workspaces), database, UUID(sessions)).ask(prompt)


if __name__ == "__main__":
    asyncio.run(_run_turn(*sys.argv[1:]))
