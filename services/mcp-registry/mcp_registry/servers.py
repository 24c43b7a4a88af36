"""The one place where all that is needed to connect to a server is put together, with its secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.mcp_registry.names import id_of, name_key
from contracts.mcp_registry.oauth import OAuthSecrets, Tokens
from contracts.mcp_registry.values import ResolvedServer, ServerConnection, ServerDefinition, ServerProblem
from contracts.messages import Actor
from contracts.refusals import Code, Refusal, not_found
from eventing.actors import Actors
from eventing.database import Database, Row
from runtime.bus.envelope import Envelope

from mcp_registry.commands import AllowedCommands
from mcp_registry.secret_tables import ENVIRONMENTS, HEADERS, get_oauth, get_revoked

COLUMNS = (
    "id, user_id, definition, name, name_key, env_names, header_names, is_enabled, is_authorized, health, version, "
    "accepted"
)
BY_ID = f"SELECT {COLUMNS} FROM servers WHERE id = $1"  # noqa: S608  names of columns
# An own server comes before global ones of the same name, and of these the oldest first.
BY_REFERENCES = (
    f"SELECT {COLUMNS} FROM servers WHERE (user_id = $1 OR is_global) AND (id = ANY($2) OR name_key = ANY($3)) "  # noqa: S608
    "ORDER BY user_id = $1 DESC, id"
)
VERSION = "SELECT version FROM servers WHERE id = $1"
ATTEMPTS = 5


class ServerChanging(Exception):
    """A server was changed each time that it was read; the message may be sent again."""


@dataclass(frozen=True)
class Servers:
    """Finds servers, and reads how to connect to them. `actors` are the users with their present roles."""

    database: Database
    commands: AllowedCommands
    actors: Actors

    async def count(self, owner: UUID) -> int:
        """Return the number of a user's own servers."""
        return await self.database.fetchval("SELECT count(*) FROM servers WHERE user_id = $1", owner)

    async def get(self, server_id: UUID, envelope: Envelope) -> ServerConnection:
        """Return how to connect to a server, on behalf of its owner.

        Raises:
            Refusal: MCP_SERVER_NOT_FOUND, COMMAND_NOT_ALLOWED.
        """
        row = await self.database.fetchrow(BY_ID, server_id)
        if row is None:
            raise not_found(Code.MCP_SERVER_NOT_FOUND, server_id)
        return await self._connection(row, envelope)

    async def url(self, server_id: UUID) -> str | None:
        """Return the URL of a server; None if it was deleted or has none."""
        return await self.database.fetchval("SELECT definition ->> 'url' FROM servers WHERE id = $1", server_id)

    async def oauth(self, server_id: UUID) -> OAuthSecrets:
        """Return the secrets of a server's authorization."""
        return await get_oauth(server_id, self.database)

    async def revoked_tokens(self, revocation_id: UUID) -> Tokens | None:
        """Return the tokens of a revocation; None if it has ended."""
        return await get_revoked(revocation_id, self.database)

    async def find(self, references: Sequence[str], actor: Actor) -> list[Row | None]:
        """Return the rows of the own or global servers that names or ids mean for a user; None if there is none.

        Other users' servers are not found even for administrators, because their secrets would be used.
        """
        ids = {reference: id for reference in references if (id := id_of(reference))}
        keys = {reference: name_key(reference) for reference in references if reference not in ids}
        rows = await self.database.fetch(BY_REFERENCES, actor.user_id, [*ids.values()], [*keys.values()])
        found: dict[UUID | str, Row] = {}
        for row in rows:
            found[row["id"]] = row
            found.setdefault(row["name_key"], row)
        return [found.get(ids.get(reference) or keys[reference]) for reference in references]

    async def resolve(self, references: Sequence[str], actor: Actor, envelope: Envelope) -> list[ResolvedServer]:
        """Return how to connect to the servers that names or ids mean for a user, or why that is not possible."""
        rows = await self.find(references, actor)
        return [await self._resolved(each, row, actor, envelope) for each, row in zip(references, rows, strict=True)]

    async def _resolved(self, reference: str, row: Row | None, actor: Actor, envelope: Envelope) -> ResolvedServer:
        if row is None:
            return _problem(reference, "not_found", f"There is no MCP server {reference!r} that you may use.")
        if not row["is_enabled"]:
            return _problem(reference, "disabled", f"MCP server {row['name']!r} is disabled.")
        if row["health"] == "authorization_required":
            return _problem(reference, "authorization_required", f"MCP server {row['name']!r} requires authorization.")
        try:
            connection = await self._connection(row, envelope)
        except Refusal as refusal:
            if refusal.code is not Code.COMMAND_NOT_ALLOWED:
                return _problem(reference, "not_found", refusal.detail)
            # Without the command: users of a global server do not see it.
            return _problem(
                reference, "not_allowed", f"The owner of MCP server {row['name']!r} may not start programs."
            )
        hidden = {"hides_target": not actor.may_see(row["user_id"])}
        return ResolvedServer(reference=reference, connection=connection.model_copy(update=hidden))

    async def _connection(self, row: Row | None, envelope: Envelope) -> ServerConnection:
        """Return the connection to the server of a row, all of it as it was at one time.

        Otherwise new secrets might be sent to the previous URL, or the previous ones to a new URL.
        """
        for _ in range(ATTEMPTS):
            if row is None:
                break
            definition = ServerDefinition.model_validate(row["definition"])
            await self._check_command(definition, row, envelope)
            connection = ServerConnection(
                id=row["id"],
                version=row["version"],
                definition=definition,
                accepted_tools=row["accepted"],
                env=await ENVIRONMENTS.get(row["id"], self.database) if row["env_names"] else {},
                headers=await HEADERS.get(row["id"], self.database) if row["header_names"] else {},
            )
            if row["is_authorized"]:
                connection = with_tokens(connection, (await self.oauth(row["id"])).tokens)
            if await self.database.fetchval(VERSION, row["id"]) == row["version"]:
                return connection
            row = await self.database.fetchrow(BY_ID, row["id"])
        raise ServerChanging

    async def _check_command(self, definition: ServerDefinition, row: Row, envelope: Envelope) -> None:
        """Check that the owner may have the server, with the role that they have now. Raises COMMAND_NOT_ALLOWED."""
        if self.commands.problem(definition, row["env_names"]) is None:
            return
        try:
            role = (await self.actors.current(row["user_id"], envelope)).role
        except Refusal:  # the owner was disabled or deleted
            role = None
        self.commands.check(definition, row["env_names"], role)


def with_tokens(connection: ServerConnection, tokens: Tokens | None) -> ServerConnection:
    """Return a connection that uses an access token instead of an `Authorization` header that the owner set."""
    if tokens is None:
        return connection
    headers = {name: value for name, value in connection.headers.items() if name.lower() != "authorization"}
    headers["Authorization"] = f"Bearer {tokens.access_token}"
    return connection.model_copy(update={"headers": headers, "expires_at": tokens.expires_at})


def _problem(reference: str, problem: ServerProblem, detail: str) -> ResolvedServer:
    return ResolvedServer(reference=reference, problem=problem, detail=detail)
