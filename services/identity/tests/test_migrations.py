"""Migration of the accounts of an earlier release."""

import shutil
from pathlib import Path
from uuid import UUID

from contracts.identity import UserEvent
from contracts.identity.login import TokenFamilyRevoked
from contracts.identity.password import PasswordSet
from contracts.identity.user import UserRegistered
from eventing.database import Database
from eventing.migrating import migrate
from eventing.recording import Change, EventMapper
from identity.app import service
from runtime.clock import new_id, now

STORED = "INSERT INTO events VALUES ($1, $2, $3, $4, $5, $6, NULL, DEFAULT, DEFAULT, $1)"
USER = "INSERT INTO users (id, email, username, role, created_at) VALUES ($1, $2, $3, 'user', $4)"


async def store(database: Database, user_id: UUID, *events: UserEvent) -> None:
    for version, event in enumerate(events, start=1):
        row = EventMapper().to_stored_event(Change(user_id, version, now(), event))
        await database.execute(STORED, user_id, version, row.topic, row.state, {}, now())


async def test_accounts_keep_password_username_and_revocations(database_url: str, tmp_path: Path) -> None:
    shutil.copy(service.migrations / "0001_users.sql", tmp_path)
    ada, eve, registered = new_id(), new_id(), UserRegistered.example()
    revoked = TokenFamilyRevoked.example()
    async with Database.open(database_url, service.name) as database:
        await migrate(database, tmp_path)
        await store(
            database, ada, registered, PasswordSet(password_hash="old"), PasswordSet(password_hash="new"), revoked
        )
        await store(database, eve, registered, PasswordSet(password_hash="other"))
        await database.execute(USER, ada, "ada@example.com", "Ada", now())
        await database.execute(USER, eve, "eve@example.com", "a.d-a", now())
        await migrate(database, service.migrations)
        users = await database.fetch("SELECT id, password_hash, known_as FROM users ORDER BY created_at")
        families = await database.fetch("SELECT family_id, reason FROM revoked_families")
    assert [tuple(row.values()) for row in users] == [(ada, "new", "ada"), (eve, "other", None)]
    assert [tuple(row.values()) for row in families] == [(revoked.family_id, revoked.reason)]
