"""Starts the next run of a session in the append that ends the run before it, as far as the quotas allow it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from contracts.session.quota import GetAllowance

from session.aggregate import Session
from session.dependencies import Work


@asynccontextmanager
async def change_and_start_next(session_id: UUID, work: Work) -> AsyncGenerator[Session]:
    """Load a session, and start its next run and save it at the end of the block, unless that raises."""
    async with work.change(Session, session_id) as session:
        yield session
        if session.could_start_next:
            session.start_next(await work.ask(GetAllowance(session_id=session_id)))
