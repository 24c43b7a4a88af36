"""The handlers, projections and queries of the session service, on a database of their own."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from contracts.identity.values import Role
from contracts.messages import Actor
from contracts.samples import SESSION, USER
from contracts.session.run import SubmitQuery
from contracts.session.run_view import RunView
from contracts.session.session import CreateSession, ListSessions
from contracts.session.values import OnBusy, SdkOptions
from eventing.database import Database
from eventing.database.clock import DatabaseClock
from eventing.testing import harness
from runtime import clock
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from session.app import service
from session.ceilings import Ceilings
from session.quotas.accounts import assumed_role

OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(SESSION), role="user")
ADMIN = Actor(user_id=UUID(SESSION), role="admin")


def stop_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it stay the same moment, for the database as well."""
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)
    monkeypatch.setattr(DatabaseClock, "now", staticmethod(clock.now))


class AssumedRoles:
    """Accounts of which no event was read."""

    async def role(self, user_id: UUID, envelope: Envelope) -> Role:
        """Return the role of a user."""
        return assumed_role(user_id, envelope.actor)


@dataclass
class OfferedModels:
    """Dependencies that offer models within ceilings, and nothing else."""

    ceilings: Ceilings = field(default_factory=Ceilings)
    accounts: AssumedRoles = field(default_factory=AssumedRoles)


class Desk(harness.ServiceHarness):
    """The handlers and queries of the session service, used by `OWNER` unless another actor is named."""

    actor = OWNER

    def __init__(self, database: Database) -> None:
        super().__init__(service, database, OfferedModels())

    async def create(self, name: str = "one", actor: Actor = OWNER) -> UUID:
        command = CreateSession(session_id=new_id(), name=name, mode="interactive", sdk_options=SdkOptions())
        return (await self.send(command, actor)).id

    async def submit(self, session_id: UUID, on_busy: OnBusy = "reject", actor: Actor = OWNER) -> RunView:
        return await self.send(
            SubmitQuery(session_id=session_id, run_id=new_id(), message_id=new_id(), message="?", on_busy=on_busy),
            actor,
        )

    async def names(self, query: ListSessions, actor: Actor = OWNER) -> list[str]:
        return [session.name for session in (await self.ask(query, actor)).items]
