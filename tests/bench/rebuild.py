"""Rebuilding the read model of a million events: sessions of 8 runs, of which some 500 are at work at the same time."""

import asyncio
import os
import re
import sys
import time
from itertools import count

from eventing.database import Database
from onebox.children import allowed_environment

from tests.bench import cpu
from tests.bench.long import run
from tests.bench.report import Aim, Line
from tests.bench.samples import ACTOR, new_envelope, new_session
from tests.bench.stage import Stage

EVENTS, RUNS, USERS, APART, TIMEOUT = 1_000_000, 8, 100, 5, 1800
AIM = Aim(120, " s", most=True)
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
SESSION, OWNER = "ffffffff", "eeeeeeee"
"""The beginnings of ids that stand for those of each session, and for that of its owner."""
# A session has its n-th event when another one, which was created `APART` * n sessions later, is created.
STORE = f"""
    INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner)
    SELECT replace($3::text, '{SESSION}', session)::uuid, version, topic,
        convert_to(replace(replace(state, '{SESSION}', session), '{OWNER}', owner), 'UTF8'),
        $5::jsonb, now(), replace($4::text, '{OWNER}', owner)::uuid
    FROM generate_series(1, $6::int) AS n, unnest($1::text[], $2::text[]) WITH ORDINALITY AS e (topic, state, version),
        LATERAL (SELECT lpad(to_hex(n), 8, '0') AS session, lpad(to_hex(n % {USERS}), 8, 'e') AS owner) AS ids
    ORDER BY n + version * {APART}"""  # noqa: S608  no input


async def measure(stage: Stage) -> list[Line]:
    """Store the events, and rebuild."""
    async with stage.database() as database:
        number = await _store(database)
        before, began = _used(), time.perf_counter()
        await _rebuild(database.url)
        took = time.perf_counter() - began
        own, servers = (now - then for now, then in zip(_used(), before, strict=True))
        rows = await database.fetchval("SELECT count(*) FROM messages")
        async with database.connection() as connection:  # what is left is searched for secrets
            await connection.execute("TRUNCATE events, sessions CASCADE", timeout=TIMEOUT)
    return [
        Line(f"{number:,} events, {rows:,} messages", f"{took:.0f} s", compared=took, aim=AIM, unit=" s"),
        Line("processor time: of the command, of PostgreSQL", f"{own:.1f} s", f"{servers:.1f} s"),
    ]


async def _rebuild(url: str) -> None:
    command = (sys.executable, "-P", "-m", "session", "rebuild", "sessions")
    environment = allowed_environment() | {"DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    if code := await process.wait():
        raise RuntimeError(f"the command ended with {code}")


def _used() -> tuple[float, float]:
    """Return the processor seconds of this process with the command, and of the servers."""
    own = cpu.used_alone(os.getpid())
    return own, cpu.used(os.getpid()) - own


async def _store(database: Database) -> int:
    """Store the events of one session again and again, with ids of their own; return how many there are."""
    session, numbers = new_session(), count()
    for _ in range(RUNS):
        run(session)
    names = {str(ACTOR.user_id): f"{OWNER}-0000-7000-8000-000000000000"}

    def name(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"{SESSION}-0000-7000-8000-{next(numbers):012x}")

    events = session.pending
    topics = [f"{event.subject};{event.version}" for event in events]
    states = [UUID.sub(name, event.encoded().decode()) for event in events]
    sessions = -(-EVENTS // len(events))
    own, owner = (UUID.sub(name, str(id)) for id in (session.id, ACTOR.user_id))
    parts = (topics, states, own, owner, new_envelope().headers(), sessions)
    async with database.connection() as connection:
        await connection.execute(STORE, *parts, timeout=TIMEOUT)
    return sessions * len(events)
