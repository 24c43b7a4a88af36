"""The tables of the secrets of servers, and of tokens that are to be revoked."""

from uuid import UUID

from contracts.mcp_registry.authorization import OAuthSecretsSet
from contracts.mcp_registry.oauth import OAuthSecrets, Tokens
from contracts.mcp_registry.revocation import RevokedTokensSet
from eventing.database import Connection, Database
from eventing.recording import Recorded
from eventing.secrets.sealed_values import Secrets

ENVIRONMENTS = Secrets("server_environments", owner="server_id", values="variables")
HEADERS = Secrets("server_headers", owner="server_id", values="headers")

OAUTH = Secrets("server_oauth", owner="server_id", values="secrets")
REVOKED_TOKENS = Secrets("revoked_tokens", owner="revocation_id", values="tokens")

SECRET_TABLES = (ENVIRONMENTS, HEADERS, OAUTH, REVOKED_TOKENS)

_JSON = "json"
"""The name under which a table holds a whole model."""


async def put_oauth(recorded: Recorded[OAuthSecretsSet], connection: Connection) -> None:
    """Store the secrets of a server's authorization."""
    await OAUTH.put(recorded, {_JSON: recorded.event.model_dump_json()}, connection)


async def get_oauth(server_id: UUID, database: Database) -> OAuthSecrets:
    """Return the secrets of a server's authorization."""
    stored = (await OAUTH.get(server_id, database)).get(_JSON)
    return OAuthSecrets.model_validate_json(stored) if stored else OAuthSecrets()


async def put_revoked(recorded: Recorded[RevokedTokensSet], connection: Connection) -> None:
    """Store the tokens that are to be revoked."""
    await REVOKED_TOKENS.put(recorded, {_JSON: recorded.event.model_dump_json()}, connection)


async def get_revoked(revocation_id: UUID, database: Database) -> Tokens | None:
    """Return the tokens that are to be revoked; None if they were."""
    stored = (await REVOKED_TOKENS.get(revocation_id, database)).get(_JSON)
    return RevokedTokensSet.model_validate_json(stored).tokens if stored else None
