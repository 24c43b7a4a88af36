"""The control of `create` and `reads`: what one writes without any of our architecture: FastAPI, asyncpg, SQL."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
import uvicorn
from contracts.session.values import Mode, SdkOptions
from fastapi import FastAPI
from pydantic import BaseModel
from runtime import clock
from runtime.settings import Settings, load

TABLE = """
    CREATE TABLE sessions (
        id uuid PRIMARY KEY, name text NOT NULL, mode text NOT NULL, status text NOT NULL, sdk_options jsonb NOT NULL,
        created_at timestamptz NOT NULL
    )"""
INSERT = "INSERT INTO sessions (id, name, mode, status, sdk_options, created_at) VALUES ($1, $2, $3, $4, $5, $6)"

COLUMNS = "id, name, mode, status, sdk_options, created_at"
SELECT = f"SELECT {COLUMNS} FROM sessions WHERE id = $1"  # noqa: S608  no input
PAGE = f"SELECT {COLUMNS}, count(*) OVER () AS total FROM sessions ORDER BY id DESC LIMIT $1"  # noqa: S608


class ControlSettings(Settings):
    """Where to listen, and where the database is."""

    port: int
    database_url: str


class NewSession(BaseModel):
    """A request, as to the real API."""

    name: str
    mode: Mode
    sdk_options: SdkOptions


class Session(NewSession):
    """A response, as long as from the real API."""

    id: UUID
    user_id: UUID = UUID(int=0)
    status: str = "created"
    working_directory_path: str
    parent_session_id: UUID | None = None
    is_fork: bool = False
    total_messages: int = 0
    total_tool_calls: int = 0
    total_cost_usd: float = 0
    api_input_tokens: int = 0
    api_output_tokens: int = 0
    created_at: datetime
    started_at: datetime | None = None
    updated_at: datetime


class Sessions(BaseModel):
    """A page, as long as from the real API."""

    items: list[Session]
    total: int


def create_app(database_url: str) -> FastAPI:
    """Put the application together."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with asyncpg.create_pool(database_url) as pool:
            app.state.pool = pool
            await pool.execute(TABLE)
            yield

    app = FastAPI(lifespan=lifespan)

    async def create(new: NewSession) -> Session:
        now, id = clock.now(), clock.new_id()
        place = f"/workspaces/{id}"
        session = Session(id=id, working_directory_path=place, created_at=now, updated_at=now, **new.model_dump())
        pool = cast("asyncpg.Pool[Any]", app.state.pool)
        options = json.dumps(new.sdk_options.model_dump())
        await pool.execute(INSERT, id, session.name, session.mode, session.status, options, now)
        return session

    async def show(session_id: UUID) -> Session:
        pool = cast("asyncpg.Pool[Any]", app.state.pool)
        return _session(await pool.fetchrow(SELECT, session_id))

    async def index(limit: int) -> Sessions:
        pool = cast("asyncpg.Pool[Any]", app.state.pool)
        rows = await pool.fetch(PAGE, limit)
        return Sessions(items=[_session(row) for row in rows], total=rows[0]["total"])

    app.post("/sessions", status_code=201)(create)
    app.get("/sessions/{session_id}")(show)
    app.get("/sessions")(index)
    return app


def _session(row: Any) -> Session:
    values = dict(row) | {"sdk_options": json.loads(row["sdk_options"]), "updated_at": row["created_at"]}
    return Session(working_directory_path=f"/workspaces/{row['id']}", **values)


if __name__ == "__main__":
    settings = load(ControlSettings)
    uvicorn.run(create_app(settings.database_url), port=settings.port, log_level="warning", access_log=False)
