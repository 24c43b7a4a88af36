"""State that the agents of a replica share."""

from dataclasses import dataclass
from pathlib import Path

from sandbox import Sandbox

from session.agent.model_proxy import ModelProxy
from session.agent.options import Limits
from session.agent.transcript import Transcripts
from session.mcp.connections import Connections


@dataclass(frozen=True)
class AgentContext:
    """The dependencies that all agents of this replica share, and their `program`."""

    sandbox: Sandbox
    proxy: ModelProxy
    transcripts: Transcripts
    connections: Connections
    limits: Limits
    program: Path
