"""Tokens that are to be revoked, in the read model."""

from typing import Any, assert_never

from contracts.mcp_registry.revocation import RevocationEnded, RevocationEvent, RevocationRequested, RevokedTokensSet
from eventing.database import Connection
from eventing.recording import Recorded

from mcp_registry.secret_tables import put_revoked


async def project_revocation(event: RevocationEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event about a revocation."""
    match event:
        case RevocationRequested():
            await db.execute("INSERT INTO revocations (id) VALUES ($1)", recorded.id)
        case RevokedTokensSet():
            await put_revoked(recorded, db)
        case RevocationEnded():
            await db.execute("DELETE FROM revocations WHERE id = $1", recorded.id)
        case _:
            assert_never(event)
