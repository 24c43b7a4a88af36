"""The session service's handlers, projections and queries on a database of their own."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.messages import Actor, Command, Query
from contracts.samples import SESSION, USER
from contracts.session.run import RunView, SubmitQuery
from contracts.session.session import CreateSession, ListSessions
from contracts.session.values import OnBusy, SdkOptions
from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.postgres import PostgresStore
from runtime.clock import new_id
from runtime.envelope import Envelope
from session.app import service

OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(SESSION), role="user")
ADMIN = Actor(user_id=UUID(SESSION), role="admin")


@dataclass
class Offer:
    """Tools that only say which models there are."""

    models: tuple[str, ...] = ()


class Desk:
    """The session service's handlers and queries on a database of their own."""

    def __init__(self, database: Database) -> None:
        store = PostgresStore(database, service.facts, service.project)
        self.dispatcher = Dispatcher[Any](store, database, Offer(), service.commands, service.queries)

    async def send[R](self, command: Command[R], actor: Actor = OWNER) -> R:
        return await self.dispatcher.send(command, Envelope.begin(actor=actor))

    async def ask[R](self, query: Query[R], actor: Actor = OWNER) -> R:
        return await self.dispatcher.ask(query, Envelope.begin(actor=actor))

    async def create(self, name: str = "one", actor: Actor = OWNER) -> UUID:
        command = CreateSession(session_id=new_id(), name=name, mode="interactive", sdk_options=SdkOptions())
        return (await self.send(command, actor)).id

    async def submit(self, session_id: UUID, on_busy: OnBusy = "reject") -> RunView:
        return await self.send(
            SubmitQuery(session_id=session_id, run_id=new_id(), message_id=new_id(), message="?", on_busy=on_busy)
        )

    async def names(self, query: ListSessions, actor: Actor = OWNER) -> list[str]:
        return [session.name for session in (await self.ask(query, actor)).items]
