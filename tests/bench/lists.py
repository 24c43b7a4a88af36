"""The first 50 of a user's sessions, when the user has 100,000, against when the user has 100."""

from dataclasses import dataclass

import asyncpg
from gateway.schemas.lists import MAX_SKIP

from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.stage import Stage

ROUNDS, WARMING = 200, 20
FEW, MANY, AT_ONCE = 100, 100_000, 1000
RARE = 10
"""So many sessions of each user are processing."""
CONTROL = f"first page, of {FEW}"
AIM = Aim(1.5, "x", most=True)
# In the order of time, as ids of version 7 are. The trigger counts: a thousand in a transaction, because each row that
# it counts in the same one costs more than the row before.
SEED = """
    INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at)
    SELECT ('01970000-0000-7000-8000-' || lpad(to_hex($1::bigint + n), 12, '0'))::uuid, $2::uuid,
        'Session ' || n, 'interactive', CASE WHEN n % $5 = 1 THEN 'processing' ELSE 'active' END,
        '{"allowed_tools": ["Read", "Write", "Bash"]}', now(), now()
    FROM generate_series($3::int, $4::int) AS n"""
WINDOWS = {
    "first page": "",
    "with a filter that all but 10 pass": "&status=active",
    "with a filter that 10 pass": "&status=processing",
    "`after` the middle": "&after={middle}",
    f"`skip` of {MAX_SKIP:,}": f"&skip={MAX_SKIP}",
}


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    older, many, few = await _someone(stage, 1, FEW), await _someone(stage, 2, MANY), await _someone(stage, 3, FEW)
    requests = {f"{what}, of {MANY:,}": many.listing(query) for what, query in WINDOWS.items()}
    requests[f"first page, of {FEW} that are older than all those"] = older.listing("")
    async with await Connection.open(stage.port) as connection:
        sides = {
            name: timed(lambda request=request: connection.ask(request))
            for name, request in {**requests, CONTROL: few.listing("")}.items()
        }
        await interleaved(sides, WARMING)
        rounds = await interleaved(sides, ROUNDS)
    control = rounds.median(CONTROL)
    return [
        Line(f"{name}; {CONTROL}", milliseconds(ours), milliseconds(control), ours / control, AIM)
        for name, ours in ((name, rounds.median(name)) for name in requests)
    ]


@dataclass(frozen=True)
class _Owner:
    """Someone with so many sessions, whose ids begin above `base`."""

    token: str
    base: int
    sessions: int

    def listing(self, query: str) -> Request:
        middle = f"01970000-0000-7000-8000-{self.base + self.sessions // 2:012x}"
        return Request.get(f"/api/v1/sessions?limit=50{query.format(middle=middle)}", self.token)


async def _someone(stage: Stage, number: int, sessions: int) -> _Owner:
    user = stage.user()
    owner = _Owner(str(user.http.headers["authorization"]), number << 32, sessions)
    await _seed(stage, user.http.get("/auth/me").json()["id"], owner)
    return owner


async def _seed(stage: Stage, user_id: str, owner: _Owner) -> None:
    connection = await asyncpg.connect(stage.postgres.url, server_settings={"search_path": "session"})
    try:
        for first in range(1, owner.sessions + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, owner.sessions)
            await connection.execute(SEED, owner.base, user_id, first, last, owner.sessions // RARE)
        await connection.execute("VACUUM ANALYZE sessions, session_counts")  # as its own would, soon
    finally:
        await connection.close()
