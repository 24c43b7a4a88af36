"""The projection of the identity service's events to its tables."""

from typing import assert_never
from uuid import UUID

from contracts.identity import UserEvent
from contracts.identity.api_key import ApiKeyCreated, ApiKeyEvent, ApiKeyRevoked, ApiKeySecretSet
from contracts.identity.bus_user import BusUserCreated, BusUserEvent, BusUserReplayed, BusUserRevoked
from contracts.identity.login import LoginEvent, RefreshTokenIssued, TokenFamilyRevoked, UserLoggedIn
from contracts.identity.password import PasswordChanged, PasswordEvent, PasswordResetIssued, PasswordSet
from contracts.identity.user import AccountEvent, QuotasChanged, RoleChanged, UserDisabled, UserEnabled, UserRegistered
from contracts.identity.values import Role
from eventing.database import Connection
from eventing.recording import Recorded

from identity import audit_log
from identity.names import comparable_username


async def project(recorded: Recorded[UserEvent], db: Connection) -> None:
    """Write one event to the read model."""
    event = recorded.event
    if isinstance(event, AccountEvent):
        await _project_account(event, recorded, db)
    elif isinstance(event, LoginEvent):
        await _project_login(event, recorded, db)
    elif isinstance(event, PasswordEvent):
        await _project_password(event, recorded, db)
    elif isinstance(event, ApiKeyEvent):
        await _project_api_key(event, recorded, db)
    else:
        await _project_bus_user(event, recorded, db)
    await audit_log.add_event(recorded, db)


async def _project_account(event: AccountEvent, recorded: Recorded[UserEvent], db: Connection) -> None:
    match event:
        case UserRegistered():
            await db.execute(
                "INSERT INTO users (id, email, username, known_as, full_name, role, is_service_account, created_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                recorded.id, event.email, event.username, comparable_username(event.username), event.full_name,
                event.role, event.is_service_account, recorded.at,
            )  # fmt: skip
        case RoleChanged():
            await _change_access(recorded, db, role=event.role)
        case UserDisabled():
            await _change_access(recorded, db, is_active=False)
        case UserEnabled():
            await _change_access(recorded, db, is_active=True)
        case QuotasChanged():
            quotas = event.quotas.model_dump(mode="json", exclude_none=True)
            await db.execute("UPDATE users SET quotas = $2 WHERE id = $1", recorded.id, quotas)
        case _:
            assert_never(event)


async def _project_login(event: LoginEvent, recorded: Recorded[UserEvent], db: Connection) -> None:
    match event:
        case UserLoggedIn():
            await db.execute("UPDATE users SET last_login_at = $2 WHERE id = $1", recorded.id, recorded.at)
        case TokenFamilyRevoked():
            await _revoke(event.family_id, event.reason, recorded, db)
        case RefreshTokenIssued():
            pass  # only the aggregate needs these
        case _:
            assert_never(event)


async def _project_password(event: PasswordEvent, recorded: Recorded[UserEvent], db: Connection) -> None:
    match event:
        case PasswordSet():
            await db.execute("UPDATE users SET password_hash = $2 WHERE id = $1", recorded.id, event.password_hash)
        case PasswordResetIssued() | PasswordChanged():
            pass  # only the aggregate needs these
        case _:
            assert_never(event)


async def _project_api_key(event: ApiKeyEvent, recorded: Recorded[UserEvent], db: Connection) -> None:
    match event:
        case ApiKeyCreated():
            await db.execute(
                "INSERT INTO api_keys (id, user_id, name, scopes, created_at, expires_at) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                event.key_id, recorded.id, event.name, event.scopes, recorded.at, event.expires_at,
            )  # fmt: skip
        case ApiKeySecretSet():
            await db.execute("UPDATE api_keys SET secret_hash = $2 WHERE id = $1", event.key_id, event.secret_hash)
        case ApiKeyRevoked():
            await db.execute("DELETE FROM api_keys WHERE id = $1", event.key_id)
            await _revoke(event.key_id, "api_key", recorded, db)
        case _:
            assert_never(event)


async def _project_bus_user(event: BusUserEvent, recorded: Recorded[UserEvent], db: Connection) -> None:
    match event:
        case BusUserCreated():
            await db.execute(
                "INSERT INTO bus_users (id, user_id, name, types, all_users, since, public_key, created_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                event.bus_user_id, recorded.id, event.name, event.types, event.all_users, event.since,
                event.public_key, recorded.at,
            )  # fmt: skip
        case BusUserReplayed():
            await db.execute("UPDATE bus_users SET since = $2 WHERE id = $1", event.bus_user_id, event.since)
        case BusUserRevoked():
            await db.execute("DELETE FROM bus_users WHERE id = $1", event.bus_user_id)
        case _:
            assert_never(event)


async def _revoke(id: UUID, reason: str, recorded: Recorded[UserEvent], db: Connection) -> None:
    await db.execute(
        "INSERT INTO revoked_families (family_id, reason, revoked_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (family_id) DO NOTHING",
        id, reason, recorded.at,
    )  # fmt: skip


async def _change_access(
    recorded: Recorded[UserEvent], db: Connection, *, role: Role | None = None, is_active: bool | None = None
) -> None:
    await db.execute(
        "UPDATE users SET role = coalesce($2, role), is_active = coalesce($3, is_active), "
        "access_version = $4, access_changed_at = $5 WHERE id = $1",
        recorded.id, role, is_active, recorded.version, recorded.at,
    )  # fmt: skip
