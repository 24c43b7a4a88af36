"""The identity service's handlers, projections and queries with a real database."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from contracts.identity.login import LogIn, RefreshTokens, TokensView
from contracts.identity.user import ChangeUser, EnsureAdmin, RegisterUser, UserView
from contracts.messages import Actor
from eventing.database import Database
from eventing.testing import harness
from identity.api_calls import ApiCalls
from identity.app import service
from identity.audit_log import AuditLog
from identity.credentials.keys import KeyRingFile
from identity.credentials.login_attempts import LoginAttempts
from identity.credentials.passwords import Passwords
from identity.dependencies import Dependencies
from identity.directory import Directory
from identity.operations import OPERATOR
from identity.programs import ProgramDirectory, Programs
from runtime.clock import new_id

PASSWORD = "plantedsecret-analytical engine"


def family_of(tokens: TokensView) -> UUID:
    """Return the token family of a login."""
    return UUID(jwt.decode(tokens.access_token, options={"verify_signature": False})["sid"])


class Desk(harness.ServiceHarness):
    """The service without a bus: revocations are not published."""

    def __init__(self, database: Database, key_ring_file: Path) -> None:
        no_revocations: Any = None
        no_connections: Any = None
        dependencies = Dependencies(
            KeyRingFile(key_ring_file),
            Passwords(),
            Directory(database),
            LoginAttempts(database, max_per_account=10, max_per_address=20),
            ApiCalls(database),
            no_revocations,
            AuditLog(database),
            registration_open=True,
            programs=Programs(ProgramDirectory(database), no_connections),
        )
        super().__init__(service, database, dependencies)

    def close_registration(self) -> None:
        self.dispatcher.dependencies = replace(self.dispatcher.dependencies, registration_open=False)

    async def refresh(self, refresh_token: str) -> TokensView:
        return await self.send(RefreshTokens(refresh_token=refresh_token))

    async def register(self, email: str = "ada@example.com", username: str = "ada", password: str = PASSWORD) -> UUID:
        command = RegisterUser(user_id=new_id(), email=email, username=username, password=password)
        return (await self.send(command)).id

    async def log_in(
        self, email: str = "ada@example.com", password: str = PASSWORD, address: str | None = None
    ) -> TokensView:
        return await self.send(LogIn(email=email, password=password, client_address=address))

    async def admin(self, name: str = "root") -> Actor:
        """Create an administrator; the first one as at the start of the service, others by a change of role."""
        email = f"{name}@example.com"
        if not await self.dispatcher.dependencies.directory.has_admin():
            user_id = new_id()
            await self.send(EnsureAdmin(user_id=user_id, email=email, password=PASSWORD))
        else:
            user_id = await self.register(email, name)
            await self.change(user_id, role="admin")
        return Actor(user_id=user_id, role="admin")

    def claims(self, tokens: TokensView) -> dict[str, Any]:
        return jwt.decode(tokens.access_token, options={"verify_signature": False})

    async def change(self, user_id: UUID, by: Actor = OPERATOR, **changes: Any) -> UserView:
        return await self.send(self.change_of(user_id, **changes), by)

    def change_of(self, user_id: UUID, **changes: Any) -> ChangeUser:
        return ChangeUser(user_id=user_id, **changes)
