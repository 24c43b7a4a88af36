"""The variables that sessions give their agents. The values are secrets: no query of the bus gives them."""

from typing import Any, Protocol
from uuid import UUID

from contracts.session.values import SdkOptions

VARIABLES = "SELECT variables FROM session_environments WHERE session_id = $1"


class Database(Protocol):
    """What this needs of a connection pool whose search path is the service's schema."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row."""
        ...


class Environments:
    """Reads what was stored for an agent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revealed(self, session_id: UUID, options: SdkOptions) -> SdkOptions:
        """Give a session's options with the values of its `env`, as its agent needs them."""
        if not options.env:
            return options
        return options.model_copy(update={"env": await self._database.fetchval(VARIABLES, session_id)})
