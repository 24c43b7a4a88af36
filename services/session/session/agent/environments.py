"""The environment variables of sessions. Their values are secrets: no query on the bus returns them."""

from uuid import UUID

from contracts.session.values import SdkOptions
from eventing.database import Database
from eventing.secrets.sealed_values import Secrets

VARIABLES = Secrets("session_environments", owner="session_id", values="variables")


class Environments:
    """Reads the stored variables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revealed(self, session_id: UUID, options: SdkOptions) -> SdkOptions:
        """Return a session's options with the plain values of `env`, as its agent needs them."""
        if not options.env:
            return options
        return options.model_copy(update={"env": await VARIABLES.get(session_id, self._database)})
