"""The classes of agents, which are loaded for the first one.

They need the SDK, and this the MCP library: 23 MiB, which a replica without agents does without. Loading them takes
0.4 s of a processor, in a thread, so that others are answered meanwhile.
"""

from typing import TYPE_CHECKING

from runtime.late_imports import load

if TYPE_CHECKING:
    from session.agent.live import Agent
    from session.agent.prestarted import PrestartedAgent


async def agent_class() -> "type[Agent]":
    """Return `Agent`."""
    return (await load("session.agent.live")).Agent


async def prestarted_agent_class() -> "type[PrestartedAgent]":
    """Return `PrestartedAgent`."""
    return (await load("session.agent.prestarted")).PrestartedAgent
