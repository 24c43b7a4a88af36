"""The tables of transcripts, without those of the rest of the service."""

from uuid import UUID, uuid5

from eventing.database import Database
from session.app import service

from services.session.tests.replica import own_sessions

NAMES = ("0002_transcript.sql", "0008_conversations.sql", "0029_begun_calls.sql")
MIGRATIONS = [service.migrations / name for name in NAMES]
# Only what the statements of the transcript need of the tables of sessions and runs.
SESSIONS_AND_RUNS = """
    CREATE TABLE sessions (id uuid PRIMARY KEY);
    CREATE TABLE runs (id uuid, session_id uuid, attempt int, ended_at timestamptz);"""
ADD_SESSION = (
    "WITH one AS (INSERT INTO sessions VALUES ($1)) INSERT INTO conversations (session_id, attempt) VALUES ($1, 0)"
)


async def create_transcripts(url: str) -> None:
    """Create the tables of transcripts, with a few sessions."""
    async with Database.open(url, "session") as database:
        await database.execute("CREATE SCHEMA session")
        for statements in (SESSIONS_AND_RUNS, *(migration.read_text() for migration in MIGRATIONS)):
            await database.execute(statements)
        named = [uuid5(own_sessions(), name) for name in ("one", "two", "three", "other")]
        for session_id in (*named, UUID(int=1), UUID(int=2)):
            await database.execute(ADD_SESSION, session_id)
