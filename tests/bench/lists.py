"""The first 50 of a user's sessions, when the user has 100,000, against when the user has 100."""

import asyncpg

from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.stage import Stage

ROUNDS, WARMING = 200, 20
FEW, MANY, AT_ONCE = 100, 100_000, 1000
RARE = 10
"""So many sessions of each user are processing."""
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
    "with a filter that all pass": "&status=active",
    f"with a filter that {RARE} pass": "&status=processing",
    "with `after`, in the middle": "&after={middle}",
    "with `skip`, in the middle": "&skip={skip}",
}


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    async with await Connection.open(stage.port) as connection:
        requests = {("few", what): r for what, r in (await _requests(stage, 1, FEW)).items()}
        requests |= {("many", what): r for what, r in (await _requests(stage, 2, MANY)).items()}
        sides = {
            f"{size} {what}": timed(lambda request=request: connection.ask(request))
            for (size, what), request in requests.items()
        }
        await interleaved(sides, WARMING)
        rounds = await interleaved(sides, ROUNDS)
    return [
        Line(
            f"{what}: of {MANY:,}; of {FEW}",
            milliseconds(rounds.median(f"many {what}")),
            milliseconds(rounds.median(f"few {what}")),
            rounds.median(f"many {what}") / rounds.median(f"few {what}"),
            AIM,
        )
        for what in WINDOWS
    ]


async def _requests(stage: Stage, number: int, sessions: int) -> dict[str, Request]:
    """Give someone new so many sessions, and the ways to ask for them."""
    user = stage.user()
    token, base = str(user.http.headers["authorization"]), number << 32
    await _seed(stage, user.http.get("/auth/me").json()["id"], base, sessions)
    middle = f"01970000-0000-7000-8000-{base + sessions // 2:012x}"
    return {
        what: Request.get(f"/api/v1/sessions?limit=50{query.format(middle=middle, skip=sessions // 2)}", token)
        for what, query in WINDOWS.items()
    }


async def _seed(stage: Stage, user_id: str, base: int, sessions: int) -> None:
    connection = await asyncpg.connect(stage.postgres.url, server_settings={"search_path": "session"})
    try:
        for first in range(1, sessions + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, sessions)
            await connection.execute(SEED, base, user_id, first, last, sessions // RARE)
        await connection.execute("VACUUM ANALYZE sessions, session_counts")  # as its own would, soon
    finally:
        await connection.close()
