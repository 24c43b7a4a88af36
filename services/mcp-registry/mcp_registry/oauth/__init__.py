"""OAuth for MCP servers, as the MCP specification says: the adapter to authorization servers.

The MCP library, which has the models of what they answer, is loaded when one is asked first: it takes 16 MiB.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.mcp_registry.oauth import OAuthClient, PendingAuthorization, Tokens
from runtime.late_imports import load

from mcp_registry.oauth.requests import Requests


@dataclass(frozen=True)
class OAuth:
    """How to reach authorization servers, and where they send users back; None if the operator has not set that.

    Its methods raise what the functions raise that they name.
    """

    requests: Requests
    redirect_uri: str | None

    async def prepare(
        self, server_url: str, state: str, client: OAuthClient | None, scope: str | None
    ) -> PendingAuthorization:
        """Return an authorization that a user can be offered (`preparation.prepare`)."""
        preparation = await _loaded("preparation")
        wanted = preparation.Preparation(server_url, self.redirect_uri, state, client, scope)
        return await preparation.prepare(wanted, self.requests)

    async def exchange(self, pending: PendingAuthorization, now: datetime) -> Tokens:
        """Return the tokens for the code of an authorization (`tokens.exchange`)."""
        return await (await _loaded("tokens")).exchange(pending, now, self.requests)

    async def refresh(self, tokens: Tokens, now: datetime) -> Tokens:
        """Return new tokens (`tokens.refresh`)."""
        return await (await _loaded("tokens")).refresh(tokens, now, self.requests)

    async def revoke(self, tokens: Tokens) -> bool:
        """Have tokens revoked, and return whether that is confirmed (`tokens.revoke`)."""
        return await (await _loaded("tokens")).revoke(tokens, self.requests)


async def _loaded(name: str) -> Any:
    """Return a module of this package, which is loaded in a thread: it takes 0.3 s of a processor."""
    return await load(f"{__name__}.{name}")
