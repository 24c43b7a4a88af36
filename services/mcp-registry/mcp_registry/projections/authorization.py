"""Attempts to authorize servers in the read model, and the due times of their tokens."""

from datetime import datetime
from typing import Any, assert_never

from contracts.mcp_registry.authorization import (
    AuthorizationEnded,
    AuthorizationEvent,
    AuthorizationFailed,
    AuthorizationOffered,
    AuthorizationRequested,
    AuthorizationReturned,
    OAuthSecretsSet,
    ServerAuthorized,
)
from contracts.mcp_registry.oauth import AuthorizationStatus
from contracts.mcp_registry.refresh import RefreshEvent, RefreshPostponed, RefreshRequested, TokensRefreshed
from contracts.refusals import Code
from eventing.database import Connection
from eventing.recording import Recorded

from mcp_registry.due import AUTHORIZATION_EXPIRY, TOKEN_REFRESH
from mcp_registry.secret_tables import put_oauth

REQUEST = """
    INSERT INTO authorizations (server_id, id, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (server_id) DO UPDATE SET id = excluded.id, status = 'pending', expires_at = excluded.expires_at,
        error_code = NULL, error_detail = NULL"""
SET_STATUS = "UPDATE authorizations SET status = $2, error_code = $3, error_detail = $4 WHERE server_id = $1"
AUTHORIZE = """
    UPDATE servers SET is_authorized = true, refreshing = NULL, version = $2, updated_at = $3, health = 'unknown',
        error_code = NULL, error_detail = NULL
    WHERE id = $1"""
END = """
    UPDATE servers SET is_authorized = false, refreshing = NULL, version = $2, updated_at = $3,
        health = 'authorization_required', error_code = $4, error_detail = $5
    WHERE id = $1"""


async def project_authorization(event: AuthorizationEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event about an authorization."""
    id, at = recorded.id, recorded.at
    match event:
        case AuthorizationRequested():
            await db.execute(REQUEST, id, event.authorization_id, event.expires_at)
            await AUTHORIZATION_EXPIRY.set(recorded, event.authorization_id, event.expires_at, db)
        case AuthorizationOffered():
            await _set_status("offered", recorded, db)
        case AuthorizationReturned():
            await _set_status("returned", recorded, db)
        case OAuthSecretsSet():
            await put_oauth(recorded, db)
        case ServerAuthorized():
            await _set_status("authorized", recorded, db)
            await AUTHORIZATION_EXPIRY.cancel(event.authorization_id, db)
            await db.execute(AUTHORIZE, id, recorded.version, at)
            await _set_refresh(event.refresh_at, recorded, db)
        case AuthorizationFailed():
            await db.execute(SET_STATUS, id, "failed", event.error_code, event.error_detail)
            await AUTHORIZATION_EXPIRY.cancel(event.authorization_id, db)
        case AuthorizationEnded():
            await db.execute("DELETE FROM authorizations WHERE server_id = $1", id)
            await db.execute(END, id, recorded.version, at, Code.AUTHORIZATION_REQUIRED, event.detail)
            await TOKEN_REFRESH.cancel(id, db)
        case _:
            assert_never(event)


async def project_refresh(event: RefreshEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event about a refresh."""
    id = recorded.id
    match event:
        case RefreshRequested():
            await db.execute("UPDATE servers SET refreshing = $2 WHERE id = $1", id, event.refresh_id)
        case TokensRefreshed():
            await db.execute("UPDATE servers SET refreshing = NULL, version = $2 WHERE id = $1", id, recorded.version)
            await _set_refresh(event.refresh_at, recorded, db)
        case RefreshPostponed():
            await db.execute("UPDATE servers SET refreshing = NULL WHERE id = $1", id)
            await _set_refresh(event.refresh_at, recorded, db)
        case _:
            assert_never(event)


async def _set_status(status: AuthorizationStatus, recorded: Recorded[Any], db: Connection) -> None:
    await db.execute(SET_STATUS, recorded.id, status, None, None)


async def _set_refresh(at: datetime | None, recorded: Recorded[Any], db: Connection) -> None:
    if at:
        await TOKEN_REFRESH.set(recorded, recorded.id, at, db)
    else:
        await TOKEN_REFRESH.cancel(recorded.id, db)
