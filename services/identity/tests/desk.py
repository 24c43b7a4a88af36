"""The identity service's handlers, projections and queries on a database of their own."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.identity.commands import LogIn, RefreshTokens, RegisterUser
from contracts.identity.queries import TokensView
from contracts.messages import Actor, Command, Query
from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.postgres import PostgresStore
from identity.app import service
from identity.keys import KeyRing
from identity.passwords import Passwords
from identity.tools import Directory, Tools
from runtime.clock import new_id
from runtime.envelope import Envelope

PASSWORD = "analytical engine"


class Desk:
    """One service without a bus: nobody is told of revocations."""

    def __init__(self, database: Database, key_ring_file: Path) -> None:
        nobody: Any = None
        tools = Tools(KeyRing.read(key_ring_file), Passwords(), Directory(database), nobody, registration_open=True)
        store = PostgresStore(database, service.facts, service.project)
        self.database = database
        self.dispatcher = Dispatcher(store, database, tools, service.commands, service.queries, service.taken)

    def close_registration(self) -> None:
        self.dispatcher.tools = replace(self.dispatcher.tools, registration_open=False)

    async def send[R](self, command: Command[R], actor: Actor | None = None) -> R:
        return await self.dispatcher.send(command, Envelope.begin(actor=actor))

    async def refresh(self, refresh_token: str) -> TokensView:
        return await self.send(RefreshTokens(refresh_token=refresh_token))

    async def ask[R](self, query: Query[R]) -> R:
        return await self.dispatcher.ask(query, Envelope.begin())

    async def register(self, email: str = "ada@example.com", username: str = "ada", password: str = PASSWORD) -> UUID:
        command = RegisterUser(user_id=new_id(), email=email, username=username, password=password)
        return (await self.send(command)).id

    async def log_in(self, email: str = "ada@example.com", password: str = PASSWORD) -> TokensView:
        return await self.send(LogIn(email=email, password=password))
