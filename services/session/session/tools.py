"""What the session service's handlers and reactions work with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from eventing.database import Database
from nats.aio.client import Client

from session.agent import Agents
from session.settings import Settings
from session.transcript import Transcripts


@dataclass(frozen=True)
class Tools:
    """The agents of this replica, what they remember, and where they work."""

    agents: Agents
    transcripts: Transcripts
    workspaces: Path

    def workspace(self, session_id: UUID) -> Path:
        """Give the folder that a session's agent works in."""
        return self.workspaces / str(session_id)


@asynccontextmanager
async def tools(settings: Settings, database: Database, _client: Client) -> AsyncGenerator[Tools]:
    """Make the tools; leaving ends all agents."""
    ...
